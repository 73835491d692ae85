"""Every problem that the API names: what it means and what to do.

A problem's code is the last part of its RFC 9457 `type`, `/problems/{code}`, which is a page that this
catalogue fills. Codes are stable: programs decide by them. A failed receipt names its cause by a code of
the same catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of problem; `status` is its HTTP status where a request fails by it."""

    code: str
    status: int
    title: str
    meaning: str
    remedy: str


class ApiError(Exception):
    """Ends a request with the problem `code` of the catalogue; `fields` are added to the answer."""

    def __init__(self, code: str, detail: str, **fields: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fields = fields


_REQUESTS = (
    Problem(
        "malformed_json", 400, "The body is not JSON",
        "The request's body could not be read as JSON; `detail` says where reading stopped.",
        "Send one JSON value in UTF-8. Numbers such as NaN, comments and trailing commas are not JSON.",
    ),
    Problem(
        "invalid_body", 422, "The body does not have the right shape",
        "The body is JSON, but a field is missing, unknown or of the wrong type; `detail` names it.",
        "Compare the body with the example of this endpoint under /docs.",
    ),
    Problem(
        "invalid_parameter", 422, "A parameter is not valid",
        "A part of the path, the query or a header is not what it must be; `errors` names each one.",
        "Correct the parameters that `errors` names. A cursor must be one that the same list gave as `next`.",
    ),
    Problem(
        "unsupported_media_type", 415, "The body is not declared as JSON",
        "Bodies are only read when the header Content-Type says application/json. That keeps other web sites "
        "from sending requests through a visitor's browser.",
        "Send the header `Content-Type: application/json`.",
    ),
    Problem(
        "too_large", 413, "The body is too large",
        "The body is longer than this endpoint accepts; `detail` gives the limit in bytes.",
        "Send less in one request: split a batch, shorten a transaction's arguments.",
    ),
    Problem(
        "not_found", 404, "There is nothing at this address",
        "No endpoint or page has this path.",
        "See /docs for all paths. Names are lower-case, ids are lower-case hex.",
    ),
    Problem(
        "method_not_allowed", 405, "This address does not take this method",
        "The path exists, but not with this HTTP method; the header Allow names those it has.",
        "Use one of the methods in Allow.",
    ),
    Problem(
        "host_refused", 421, "The node does not answer to this host name",
        "The header Host names neither this machine nor a name that the node was told it has. Requests for "
        "other names are refused, so that no foreign web site can reach the node through a browser.",
        "Use the address that the node printed at its start, or let the operator add the name to the "
        "setting of host names.",
    ),
    Problem(
        "origin_refused", 403, "Another web site's page may not write here",
        "The browser says that a page of another origin sends this request. Such requests are refused.",
        "Send the request from a program of yours, or let the operator allow the origin.",
    ),
    Problem(
        "too_many_streams", 429, "Too many open streams or waiting requests",
        "As many event streams, or requests that wait for a transaction, are open as the node allows.",
        "Wait for as long as Retry-After says and try again. One event stream can serve a whole program.",
    ),
    Problem(
        "internal", 500, "The node failed to answer",
        "This is a fault of the software, not of your request.",
        "Tell the operator the time and the path; the node's log holds the cause. A transaction may be "
        "posted again safely: it takes effect at most once.",
    ),
    Problem(
        "unavailable", 503, "The node cannot answer now",
        "The node is starting, stopping or catching up, or the process that runs contracts for readers died.",
        "Wait for as long as Retry-After says and try again. /readyz?verbose says what is missing.",
    ),
    Problem(
        "refused", 400, "The node refused the request",
        "The node could not do what was asked; `detail` says why.",
        "Read `detail`; `code` is stable and can be searched for.",
    ),
)  # fmt: skip

_READING = (
    Problem(
        "unknown_transaction", 404, "No such transaction",
        "This node has neither executed nor accepted a transaction with this id.",
        "Check the id: SHA-256 of the signed bytes, 64 hex digits. What another member's node accepted "
        "is known here once it is committed.",
    ),
    Problem(
        "unknown_block", 404, "No such block",
        "The chain has not reached this height yet, or this node no longer keeps the block.",
        "The header Chain-Height names the newest height.",
    ),
    Problem(
        "unknown_account", 404, "No such account",
        "No account has this name.",
        "GET /v1/accounts lists them. A member registers a new one with the contract `accounts`.",
    ),
    Problem(
        "unknown_contract", 404, "No such contract code",
        "No source with this code id was deployed.",
        "GET /v1/contracts lists what was. The id is the source's SHA-256.",
    ),
    Problem(
        "unknown_proposal", 404, "No such proposal",
        "Nothing was proposed under this number.",
        "GET /v1/proposals lists what is open; closed ones stay readable by their number.",
    ),
    Problem(
        "unknown_instance", 404, "No such contract instance",
        "No instance of a contract has this name.",
        "GET /v1/instances lists them.",
    ),
    Problem(
        "unknown_query", 404, "The contract has no such query",
        "The instance exists, but its contract declares no query of this name.",
        "GET /v1/instances/{name} lists the contract's queries.",
    ),
    Problem(
        "pruned", 410, "This node no longer keeps it",
        "The node's retention setting let this part of the history go; it was there, and it is final.",
        "Ask another member's node, or one that keeps everything.",
    ),
    Problem(
        "not_certified_yet", 503, "The proof is not ready yet",
        "A proof needs a block that certifies the state; none was made within the time allowed.",
        "Try again after Retry-After, or give a longer `timeout`.",
    ),
    Problem(
        "not_a_development_node", 403, "Only a development node can do this",
        "The clock can only be moved on a node started with `quorate dev`.",
        "Try it with `quorate dev`. On a chain that members share, time is agreed and only passes.",
    ),
)  # fmt: skip

_ADMISSION = (
    Problem(
        "malformed_envelope", 422, "The signed transaction cannot be packed",
        "The transaction's bytes or its signatures are out of bounds.",
        "`detail` names the field. Keys are 32 bytes, signatures 64, a transaction at most 48 KiB.",
    ),
    Problem(
        "malformed_transaction", 422, "The transaction is not well-formed",
        "A field of the transaction is missing, unknown or not of its form; `detail` names it by its path.",
        "Correct the field, and sign again: the signature covers every byte.",
    ),
    Problem(
        "not_canonical", 422, "The transaction is not in canonical form",
        "The bytes are not the RFC 8785 form of what they say.",
        "Sort keys, leave out spaces, and give every key once.",
    ),
    Problem(
        "wrong_chain", 422, "The transaction is for another chain",
        "The field `chain` names another chain than this node's.",
        "Take `chain` from GET /v1/status, and sign again.",
    ),
    Problem(
        "unsigned", 422, "The transaction has no signature",
        "At least one signature is needed, and one for each of sender and cosigners.",
        "Sign the bytes that POST /v1/transactions/explain gives as `signed_bytes_hex`.",
    ),
    Problem(
        "signature_order", 422, "A key signed twice, or the signatures are out of order",
        "Signatures are sorted by public key, and each key appears once.",
        "Remove the repeated signature.",
    ),
    Problem(
        "bad_signature", 422, "A signature is not valid",
        "A signature does not fit the bytes and the key that it comes with.",
        "Sign exactly `quorate-tx-v1`, a line feed, and the transaction's canonical JSON. Compare with "
        "`signed_bytes_hex` of POST /v1/transactions/explain.",
    ),
    Problem(
        "unauthorised", 403, "The keys may not act for the account",
        "Sender or a cosigner has none of its keys among the signatures, or the action is for others.",
        "Sign with a key that GET /v1/accounts/{id} lists; `detail` names the account.",
    ),
    Problem(
        "expired", 422, "The transaction has expired",
        "`expires_ms` lies before the chain's time, so it can never take effect any more.",
        "Build it anew with a later `expires_ms` and sign again. Check your clock against the header Date.",
    ),
    Problem(
        "expiry_too_far", 422, "The transaction expires too late",
        "`expires_ms` lies further ahead than the chain remembers ids, by which it excludes replay.",
        "GET /v1/genesis gives `expiry_ms_max` among the parameters; a few minutes ahead are right.",
    ),
    Problem(
        "gas_limit", 422, "The transaction asks for too much gas",
        "`gas_limit` is higher than one batch of this chain may hold.",
        "Ask for less, or do it in several transactions; simulate says how much is needed.",
    ),
    Problem(
        "rehearsing", 429, "A rehearsal is running",
        "The node executes the past of the chain for somebody else; it does one rehearsal at a time.",
        "Ask again after as long as Retry-After says.",
    ),
    Problem(
        "too_long_to_rehearse", 422, "The past of the chain is too long",
        "A rehearsal executes every block from genesis on twice: there is more than the node allows.",
        "Rehearse up to an earlier height, which `detail` bounds.",
    ),
    Problem(
        "overloaded", 429, "The node has as much as it can order now",
        "This node's transactions are coming faster than the members order them. Nothing was accepted.",
        "Wait for as long as Retry-After says and post the same transaction again.",
    ),
    Problem(
        "no_validator", 503, "No validator can be reached to order it",
        "This node's organisation does not validate (it is an observer, or has left), so the node hands "
        "transactions to a validator's node, and now it reaches none.",
        "Wait for as long as Retry-After says and post the same transaction again, here or to a validator's "
        "node; GET /v1/members says who validates. It takes effect at most once.",
    ),
)  # fmt: skip

_EXECUTION = (
    Problem("require", 422, "A condition of the contract does not hold",
            "The contract demanded something that is not so; `detail` is the contract's own text.",
            "Read `detail`. Nothing of the transaction took effect."),
    Problem("phase", 422, "Not in this phase", "The action is not open in the instance's present phase.",
            "GET /v1/instances/{name} shows the phase and, for each action, the phases that allow it."),
    Problem("unknown", 422, "The contract, action or name does not exist",
            "The call names something that is not there.", "`detail` says what; check its spelling."),
    Problem("arguments", 422, "The arguments do not fit the action",
            "An argument is missing, unknown, or not of the declared type.",
            "GET /v1/instances/{name} lists each action's parameters with their types."),
    Problem("funds", 422, "Not enough money", "The account holds less than is to be moved.",
            "GET /v1/accounts/{id} shows the balances."),
    Problem("currency", 422, "Wrong or mixed currency", "Amounts of different currencies were combined.",
            "Give the amount in the currency that the contract's terms name."),
    Problem("exists", 422, "It exists already", "The name is taken, or this was done before.",
            "Choose another name, or read what is there."),
    Problem("paused", 422, "The instance is paused",
            "A guardian stopped it for a while; only actions marked as exits are open.",
            "Wait until the pause ends: GET /v1/instances/{name}/versions says when, and by whom and why."),
    Problem("interface", 422, "The other contract is not as expected",
            "A contract that is called or listened to does not offer what the interface of its caller says.",
            "Name an instance that offers it, or let the caller be upgraded to what the other offers now."),
    Problem("none", 422, "There is no value",
            "The contract used an optional value where there is none.",
            "Look at the state it was used in: GET /v1/instances/{name}."),
    Problem("fact", 422, "The fact cannot be reported so",
            "The reporter is not the oracle, the fact was reported before, or its time is not allowed.",
            "GET /v1/instances/{name} shows the facts, by whom each is reported, and how old it may be."),
    Problem("rules", 422, "The rules did not come to rest",
            "The contract's rules kept firing until the limit, so the transaction was undone.",
            "The contract needs correcting: two of its rules undo each other's work."),
    Problem("gas", 422, "Out of gas", "The transaction needed more computation than its `gas_limit`.",
            "Give a higher `gas_limit` and sign again; simulate says how much is needed."),
    Problem("allocation", 422, "Out of memory allowance",
            "The call built more data than one transaction may.", "Do it in smaller steps."),
    Problem("depth", 422, "Calls nested too deep", "Contracts called one another deeper than allowed.",
            "Call the last contract directly."),
    Problem("overflow", 422, "A number became too large", "A result lies beyond 2^255.",
            "Check the amounts in the arguments."),
    Problem("index", 422, "There is no such item", "The contract read a list or text past its end.",
            "Check the arguments; if they are right, the contract needs correcting."),
    Problem("key", 422, "There is no such entry", "The contract read an entry that is not there.",
            "Check the arguments; if they are right, the contract needs correcting."),
    Problem("division", 422, "Division by zero", "The contract divided by zero.",
            "Check the arguments; if they are right, the contract needs correcting."),
    Problem("size", 422, "A value is too large", "A text, list or dict grew beyond its limit.",
            "Give less at once."),
    Problem("schema", 422, "A value is not of the declared type",
            "The new code could not read what the instance has stored; `detail` names what is in the way.",
            "Read it in @migrate, or give the variable another name."),
    Problem("readonly", 422, "A query cannot change anything", "The query tried to write.",
            "Post a transaction that calls an action instead."),
    Problem("contract_error", 422, "The source is not a valid contract",
            "The checker found mistakes; `detail` gives each with line and column.",
            "Run `quorate contract check FILE` and correct what it names."),
)  # fmt: skip

CATALOGUE: dict[str, Problem] = {
    problem.code: problem for problem in (*_REQUESTS, *_READING, *_ADMISSION, *_EXECUTION)
}
