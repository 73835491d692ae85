"""Code by proposal: anybody may propose source, the policy of the consortium says who approves it.

Code has one name, the hash of its source, so an approval can mean no other. Approved code may be used from
its activation height on; code that is not approved can be looked at and rehearsed, and no instance runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from consensus.transactions import INTEGER_MAX, Json
from contracts.errors import ContractError
from contracts.layout import CODE, PURPOSE_LENGTH_MAX, Code, code_key
from contracts.system.actions import refusal, text_argument
from contracts.system.decisions import Content
from contracts.system.policy import Approval, policy_of

if TYPE_CHECKING:
    from contracts.execution import Run

COMPILE_GAS_PER_BYTE = 400
"""Gas for checking and compiling a byte of source."""
ACTIVATION_BLOCKS_MAX = 10_000_000
"""How far ahead an activation height may lie, in blocks."""

_NAME = "contracts"


def code_id(source: str) -> str:
    """The name of deployed code: the SHA-256 of its source in hex."""
    return sha256(source.encode()).hexdigest()


def deploy(run: Run, arguments: Mapping[str, Json]) -> str:
    """Make source available at once, where the policy asks for nobody's approval; the code id."""
    approval = policy_of(run.context.overlay).code
    code, record = _checked(run, arguments)
    if record.active_height is not None:
        return code
    if approval is not Approval.NONE:
        raise refusal(
            "phase",
            f"on this chain code is approved by {approval} of the validators' members: use propose_code",
        )
    _activate(run, code, record, run.context.height)
    return code


def propose_content(run: Run, arguments: Mapping[str, Json]) -> Content:
    """What a proposal to approve source says. Raises: Revert."""
    purpose = text_argument(arguments, "purpose")
    if not 0 < len(purpose) <= PURPOSE_LENGTH_MAX:
        raise refusal(
            "arguments", f"purpose must say in 1 to {PURPOSE_LENGTH_MAX} characters what the code is for"
        )
    code, record = _checked(run, arguments)
    if record.active_height is not None:
        raise refusal("exists", f"code {code} is approved already, from height {record.active_height}")
    if run.context.code(code) is None:
        run.write(code_key(code), record, CODE)
    return {"kind": "code", "code": code, "purpose": purpose, "activate_height": activation(run, arguments)}


def approve_code(run: Run, content: Content) -> None:
    """Let code be used from its activation height on, or from now where that has passed. Raises: Revert."""
    code = content["code"]
    record = run.context.code(code)
    if record is None or record.active_height is not None:
        raise refusal("phase", f"code {code} is approved already")
    record = replace(record, purpose=content["purpose"])
    _activate(run, code, record, max(run.context.height, content["activate_height"] or 0))


def usable(run: Run, code: str) -> None:
    """Refuse code that is not deployed, not approved or not active yet. Raises: Revert."""
    record = run.context.code(code)
    if record is None:
        raise refusal("unknown", f"no code {code!a} is deployed")
    if record.active_height is None:
        raise refusal("phase", f"code {code} is proposed and not approved yet")
    if record.active_height > run.context.height:
        raise refusal("phase", f"code {code} is active from height {record.active_height} on")


def activation(run: Run, arguments: Mapping[str, Json]) -> int | None:
    """The activation height that a proposal asks for, if any. Raises: Revert."""
    height = arguments.get("activate_height")
    latest = min(INTEGER_MAX, run.context.height + ACTIVATION_BLOCKS_MAX)
    if height is not None and (type(height) is not int or not run.context.height < height <= latest):
        raise refusal("arguments", f"activate_height must lie ahead, at most {ACTIVATION_BLOCKS_MAX} blocks")
    return height


def _checked(run: Run, arguments: Mapping[str, Json]) -> tuple[str, Code]:
    """The source as code, which may be kept already."""
    source = text_argument(arguments, "source")
    run.meter.spend(COMPILE_GAS_PER_BYTE * len(source))
    try:
        run.context.compiled(source)
    except ContractError as error:
        raise refusal("contract_error", str(error)) from None
    code, context = code_id(source), run.context
    return code, context.code(code) or Code(source, run.signers[0], context.height, context.time_ms)


def _activate(run: Run, code: str, record: Code, height: int) -> None:
    run.write(code_key(code), replace(record, active_height=height), CODE)
    name = run.context.contract(code).program.name
    run.emit(_NAME, "deployed", (("code", code), ("name", name), ("by", record.author), ("height", height)))
