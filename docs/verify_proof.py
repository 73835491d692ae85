#!/usr/bin/env python3
"""Verifies what a quorate chain says of its state, with nothing but Python: no library, no network, no node.

    python verify_proof.py proof.json genesis.json [--key KEY] [--value VALUE | --absent]

`genesis.json` is the file that all members signed; get it, or its hash, from somebody you trust. KEY and
VALUE are text, or hex after 0x; give them so that you do not depend on what the proof says it is about. The
exit code is 0 for a valid proof, 1 for any other, 2 for files that can not be read. `proofs.md` explains
each step.
"""

import argparse
import json
import sys
import time
from hashlib import sha256, sha512
from pathlib import Path

# ---------------------------------------------------------------- Ed25519 (RFC 8032), verification only

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)
"""Points are (x, y, z, t) for the affine (x/z, y/z), with t = xy/z."""


def decode_point(data):
    """A point in extended coordinates, or None for bytes that are not the one encoding of a point."""
    sign, y = data[31] >> 7, int.from_bytes(data, "little") & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * SQRT_MINUS_1 % P
    if y >= P or x * x % P != square or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def add(p, q):
    """The sum of two points."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * D * p[3] * q[3], 2 * p[2] * q[2]
    e, f, g, h = (b - a) % P, (d - c) % P, (d + c) % P, (b + a) % P
    return e * f % P, g * h % P, f * g % P, e * h % P


def same(p, q):
    """Whether two points are equal."""
    return all((p[i] * q[2] - q[i] * p[2]) % P == 0 for i in (0, 1))


def multiply(scalar, point):
    """A point added to itself `scalar` times."""
    result = IDENTITY
    for bit in f"{scalar:b}":
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


BASE = decode_point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def signature_is_valid(key, message, signature):
    """True for a signature (64 bytes) over `message` by `key`; refuses the edge cases that nodes refuse."""
    a, r = decode_point(key), decode_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER or any(same(multiply(8, point), IDENTITY) for point in (a, r)):
        return False
    h = int.from_bytes(sha512(signature[:32] + key + message).digest(), "little") % ORDER
    return same(multiply(s, BASE), add(multiply(h, a), r))


# ---------------------------------------------------------------- encodings


def pack(value):
    """Canonical msgpack of nil, unsigned integers, byte strings and arrays."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bytes):
        size = next(size for size in (1, 2, 4) if len(value) < 256**size)
        return bytes([0xC3 + size.bit_length()]) + len(value).to_bytes(size, "big") + value
    if isinstance(value, list):
        head = bytes([0x90 + len(value)]) if len(value) < 16 else b"\xdc" + len(value).to_bytes(2, "big")
        return head + b"".join(map(pack, value))
    if value < 128:
        return bytes([value])
    size = next(size for size in (1, 2, 4, 8) if value < 256**size)
    return bytes([0xCB + size.bit_length()]) + value.to_bytes(size, "big")


def number(value):
    """An integer of the JSON."""
    if type(value) is not int or not 0 <= value < 2**53:
        raise Invalid(f"{value!r} is not an unsigned integer below 2^53")
    return value


def unhex(text, length=None):
    """Bytes of the JSON; `length` of them if given."""
    data = bytes.fromhex(text)
    if data.hex() != text or length not in (None, len(data)):
        raise Invalid(f"{text!r} is not lower-case hex of the right length")
    return data


def digest(text):
    """A SHA-256 of the JSON."""
    return unhex(text, 32)


def array(value):
    """A list of the JSON."""
    if type(value) is not list:
        raise Invalid(f"{value!r} is not a list")
    return value


HEADER = {
    "epoch": number,
    "view": number,
    "height": number,
    "parent_view": number,
    "parent": digest,
    "time_ms": number,
    "cut": lambda cut: [
        [number(tip["lane"]), number(tip["seq"]), digest(tip["digest"])] for tip in array(cut)
    ],
    "exec_height": number,
    "exec_hash": digest,
    "evidence": lambda items: [unhex(item) for item in array(items)],
    "next_set": lambda text: None if text is None else digest(text),
}


def header_digest(chain_id, header):
    """What votes and children name a header by."""
    fields = [read(header[name]) for name, read in HEADER.items()]
    return sha256(b"quorate/header/1\n" + chain_id + pack(fields)).digest()


# ---------------------------------------------------------------- the proof

FORMATS = ("quorate-proof-1", "quorate-proof-2")
"""The second has a lineage: how the committee came to be that signed it, from the genesis' own on."""


class Invalid(ValueError):
    """The proof does not prove what it claims; the text says at which step."""


def require(condition, what):
    """Go on only if `condition` holds."""
    if not condition:
        raise Invalid(what)


def state_root(key, value, state):
    """The root from which the forks lead to the key's bucket."""
    path = sha256(key).digest()
    forks = [unhex(fork, 512) for fork in array(state["forks"])]
    bucket = [unhex(entry, 64) for entry in array(state["bucket"])]
    require(len(forks) <= 64, "the state proof does not end at a bucket")
    require(len(bucket) <= 16, "the bucket holds more than a bucket may")
    found = [entry for entry in bucket if entry[:32] == path]
    expected = [] if value is None else [path + sha256(value).digest()]
    require(found == expected, "key and value are not in the state")
    current = sha256(b"\x00" + b"".join(bucket)).digest() if bucket else bytes(32)
    for depth, fork in reversed(list(enumerate(forks))):
        at = 32 * int(path.hex()[depth], 16)
        require(fork[at : at + 32] == current, "a fork does not lead to the next, or to the bucket")
        current = sha256(b"\x01" + fork).digest()
    return current


def committee(members):
    """Validator keys (32 bytes) by number."""
    keys = {number(member["number"]): digest(member["validator_key"]) for member in array(members)}
    require(keys and list(keys) == sorted(keys) and len(keys) == len(members), "validators are not in order")
    require(len(set(keys.values())) == len(keys), "two validators share a key")
    return keys


def committee_digest(chain_id, epoch, validators):
    """What the last block of an epoch names the next committee by."""
    fields = [epoch, [[number, key] for number, key in validators.items()]]
    return sha256(b"quorate/committee/1\n" + chain_id + pack(fields)).digest()


def check_final(chain_id, final, epoch, validators):
    """Require that a quorum of this epoch's validators made `final["header"]` final, or a descendant."""
    last, name = final["header"], header_digest(chain_id, final["header"])
    for descendant in array(final["descendants"]):
        require(digest(descendant["parent"]) == name, "a descendant has another parent")
        last, name = descendant, header_digest(chain_id, descendant)
    require(last["epoch"] == epoch, f"the certificate is not of epoch {epoch}, of whose validators we know")
    message = b"quorate/vote/1\n" + chain_id + pack([3, epoch, last["view"], name])
    voters = [number(vote["voter"]) for vote in array(final["votes"])]
    require(voters == sorted(set(voters)), "the votes are not sorted by voter, each once")
    quorum = len(validators) - (len(validators) - 1) // 3
    require(len(voters) >= quorum, f"{len(voters)} votes are no quorum of {quorum}")
    for vote in final["votes"]:
        require(vote["voter"] in validators, f"{vote['voter']} is no validator")
        valid = signature_is_valid(validators[vote["voter"]], message, unhex(vote["signature"], 64))
        require(valid, f"the signature of validator {vote['voter']} is not valid")


def verify(proof, genesis):
    """(key, value, height, time in ms of the block that vouches for it). Raises: Invalid."""
    body = json.dumps(genesis["body"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    chain_id = sha256(body.encode()).digest()
    require(proof["format"] in FORMATS, f"unknown format {proof['format']!r}")
    require(digest(proof["genesis_hash"]) == chain_id, "the proof is of a chain with another genesis")
    name = f"{genesis['body']['name']}-{chain_id.hex()[:16]}"
    require(proof["chain"] == name, f"the chain is called {name}")
    validators = committee(genesis["body"]["members"])

    # 1. The state root follows from key, value and siblings.
    key = unhex(proof["key_hex"])
    value = None if proof["value_hex"] is None else unhex(proof["value_hex"])
    links = array(proof["exec"]["links"])
    require(links, "there is no execution link")
    root = state_root(key, value, proof["state"])
    require(root == digest(links[0]["state_root"]), "key and value are not in the state")

    # 2. The execution hash follows from the state root, from block to block.
    height, current = number(proof["exec"]["height"]), digest(proof["exec"]["previous"])
    for at, link in enumerate(links, height):
        roots = digest(link["state_root"]) + digest(link["receipts_root"]) + digest(link["events_root"])
        current = sha256(b"quorate/exec/1\n" + current + at.to_bytes(8, "big") + roots).digest()

    # 3. A header names that execution; its digest covers all of it.
    header = proof["header"]
    require(current == digest(header["exec_hash"]), "the header vouches for another execution")

    # 4. Genesis names the first committee; each later one is named by a final block of the epoch before.
    epoch = 1
    if proof["format"] == FORMATS[1]:
        require(array(proof["lineage"]), "the lineage is empty")
        for boundary in proof["lineage"]:
            require(boundary["header"]["epoch"] == epoch, f"epoch {epoch} does not end with a block of it")
            check_final(chain_id, boundary, epoch, validators)
            epoch, validators = epoch + 1, committee(boundary["committee"])
            named = digest(boundary["header"]["next_set"])
            expected = committee_digest(chain_id, epoch, validators)
            require(named == expected, f"epoch {epoch} has another committee")

    # 5. A quorum of that committee signed the header, or one that follows it, as final.
    check_final(chain_id, proof, epoch, validators)
    return key, value, height, header["time_ms"]


# ---------------------------------------------------------------- the command


def argument(text):
    """A key or value from the command line."""
    return unhex(text[2:].lower()) if text.startswith("0x") else text.encode()


def show(data):
    """Text where it is readable, else hex."""
    text = data.decode(errors="replace")
    return repr(text) if text.isprintable() and text.isascii() else "0x" + data.hex()


def main():
    """The exit code."""
    parser = argparse.ArgumentParser(description="Verify a proof of a quorate chain.")
    parser.add_argument("proof")
    parser.add_argument("genesis", help="the genesis file that all members signed")
    parser.add_argument("--key", help="what the proof must be about: text, or hex after 0x", type=argument)
    expected = parser.add_mutually_exclusive_group()
    expected.add_argument("--value", help="the value it must prove: text, or hex after 0x", type=argument)
    expected.add_argument("--absent", help="it must prove that there is no value", action="store_true")
    arguments = parser.parse_args()
    try:
        proof, genesis = (
            json.loads(Path(path).read_bytes()) for path in (arguments.proof, arguments.genesis)
        )
    except (OSError, ValueError, RecursionError) as error:
        print(f"can not read: {error}", file=sys.stderr)
        return 2
    try:
        key, value, height, time_ms = verify(proof, genesis)
        require(arguments.key in (None, key), f"the proof is about {show(key)}")
        require(value is None or not arguments.absent, "the proof shows a value")
        require(arguments.value in (None, value), "the proof shows another value, or none")
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time_ms // 1000))
    except Invalid as error:
        print(f"NOT VALID: {error}")
        return 1
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        print(f"NOT VALID: malformed ({type(error).__name__}: {error})")
        return 1
    shown = "no value" if value is None else f"value {show(value)}"
    print(f"VALID: on chain {proof['chain']}, after block {height}, key {show(key)} has {shown}")
    signers = f"{len(proof['votes'])} validators of genesis {proof['genesis_hash']}"
    if proof["format"] == FORMATS[1]:
        signers += f", in epoch {len(proof['lineage']) + 1}"
    print(f"signed by {signers}, block time {when}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
