"""What members decide together: open proposals, who approved them, and what is missing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from api import member_schemas
from api.http import Json, Node
from api.openapi import problems
from consensus.transactions import INTEGER_MAX

ProposalNumber = Annotated[int, Path(ge=1, le=INTEGER_MAX, description="The number of a proposal.")]

router = APIRouter(tags=["decisions"])


@router.get(
    "/v1/proposals",
    response_model=member_schemas.Proposals,
    summary="Open proposals",
    responses=problems(),
)
async def proposals(node: Node) -> Response:
    """What waits for approvals now, each with a sentence that says who is missing."""
    return Json({"items": list(await node.proposals())})


@router.get(
    "/v1/proposals/{proposal}",
    response_model=member_schemas.Proposal,
    summary="One proposal, open or closed",
    responses=problems("unknown_proposal", "invalid_parameter"),
)
async def proposal(node: Node, proposal: ProposalNumber) -> Response:
    """Approvals name its `hash`, which covers everything that is proposed."""
    return Json(await node.proposal(proposal))
