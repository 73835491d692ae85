"""Every value has one encoding, and everything else is refused."""

from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus import codec, messages, types
from consensus.codec import UINT64_MAX, decode, encode
from consensus.errors import CorruptionError, DecodeError
from consensus.messages import decode_message, encode_message
from consensus.parameters import BATCH_BYTES_MAX, BATCH_COUNT_MAX
from consensus.records import decode_record, encode_record
from consensus.transactions import ENVELOPE_BYTES_MAX

digests = st.binary(min_size=32, max_size=32)
signatures = st.binary(min_size=64, max_size=64)
counters = st.integers(0, UINT64_MAX)
numbers = st.integers(0, 2**16 - 1)
kinds = st.sampled_from(types.VoteKind)


def sorted_by(key: Callable[[Any], Any], items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(items, max_size=5, unique_by=key).map(lambda found: tuple(sorted(found, key=key)))


tips = st.builds(types.LaneTip, numbers, counters, digests)
cuts = sorted_by(lambda tip: tip.lane, tips)
votes = st.builds(types.Vote, kinds, counters, counters, st.none() | digests, numbers, signatures)
certificates = st.builds(
    types.Certificate,
    kinds,
    counters,
    counters,
    st.none() | digests,
    sorted_by(lambda signed: signed[0], st.tuples(numbers, signatures)),
)
headers = st.builds(
    types.Header,
    counters,
    counters,
    counters,
    counters,
    digests,
    counters,
    cuts,
    counters,
    digests,
    st.lists(st.binary(min_size=1, max_size=20), max_size=messages.EVIDENCE_PER_BLOCK_MAX).map(tuple),
    st.none() | digests,
)
batch_headers = st.builds(
    types.BatchHeader,
    numbers,
    counters,
    digests,
    digests,
    st.integers(0, BATCH_COUNT_MAX),
    st.integers(0, BATCH_BYTES_MAX),
    counters,
)
batches = st.builds(
    types.Batch,
    batch_headers,
    signatures,
    st.lists(st.binary(min_size=1, max_size=60), max_size=4).map(tuple),
)
executed = st.builds(types.ExecutedTip, numbers, counters, digests, signatures)
signed_batch_headers = st.builds(types.SignedBatchHeader, batch_headers, signatures)
evidence = st.builds(
    types.Evidence,
    counters,
    st.builds(types.TwoVotes, votes, votes)
    | st.builds(types.TwoBatches, signed_batch_headers, signed_batch_headers)
    | st.builds(
        types.BadBatch,
        signed_batch_headers,
        st.integers(0, BATCH_COUNT_MAX),
        st.none() | st.binary(min_size=1, max_size=60),
        st.lists(digests, max_size=3).map(tuple),
    ),
)
all_messages = st.one_of(
    st.builds(types.Proposal, headers, votes, st.lists(certificates, max_size=3).map(tuple)),
    votes,
    certificates,
    st.builds(types.Status, counters, counters, counters, executed, st.lists(votes, max_size=4).map(tuple)),
    headers,
    batches,
    st.builds(types.Have, st.lists(tips, max_size=4).map(tuple)),
    st.builds(
        types.Get,
        st.lists(digests, max_size=4).map(tuple),
        st.lists(st.builds(types.BatchRange, digests, counters), max_size=4).map(tuple),
    ),
    evidence,
)
records = st.one_of(batches, headers, votes, certificates)


@given(all_messages)
def test_a_message_survives_its_encoding(message: messages.Message) -> None:
    assert decode_message(encode_message(message)) == message


@given(records)
def test_a_journal_record_survives_its_encoding(record: Any) -> None:
    assert decode_record(encode_record(record)) == record


@given(headers, st.lists(headers, max_size=2), certificates)
def test_a_final_block_survives_its_encoding(header: Any, descendants: Any, certificate: Any) -> None:
    block = types.FinalBlock(header, tuple(descendants), certificate)
    data = encode(messages.FINAL_BLOCK, block)
    assert decode(messages.FINAL_BLOCK, data, "block", len(data)) == block


def mutations(data: bytes) -> st.SearchStrategy[bytes]:
    """Bytes near `data`: one changed, some cut out or put in, the end gone or longer."""
    position = st.integers(0, len(data) - 1)
    return st.one_of(
        st.tuples(position, st.integers(0, 255)).map(
            lambda m: data[: m[0]] + bytes([m[1]]) + data[m[0] + 1 :]
        ),
        st.tuples(position, st.binary(max_size=4)).map(lambda m: data[: m[0]] + m[1] + data[m[0] :]),
        st.tuples(position, st.integers(1, 9)).map(lambda m: data[: m[0]] + data[m[0] + m[1] :]),
        position.map(lambda end: data[:end]),
    )


@given(st.data(), all_messages)
def test_mutated_bytes_are_refused_or_are_another_message_s_only_encoding(data: Any, message: Any) -> None:
    mutated = data.draw(mutations(encode_message(message)))
    try:
        decoded = decode_message(mutated)
    except DecodeError:
        return
    assert encode_message(decoded) == mutated


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_raise_decode_error(data: bytes) -> None:
    try:
        decoded = decode_message(data)
    except DecodeError:
        return
    assert encode_message(decoded) == data


@given(st.binary(max_size=100))
def test_a_record_that_cannot_be_read_is_corruption_and_not_a_peer_s_fault(data: bytes) -> None:
    try:
        decode_record(data)
    except CorruptionError:
        return
    assert encode_record(decode_record(data)) == data


class TestOneEncoding:
    """Second encodings of the same value, all of them well-formed msgpack."""

    vote = types.Vote(types.VoteKind.SKIP, 1, 5, None, 3, bytes(64))

    def plain(self) -> list[Any]:
        return [2, [2, 1, 5, None, 3, bytes(64)]]

    def test_the_plain_form_is_the_canonical_one(self) -> None:
        assert msgpack.packb(self.plain(), use_bin_type=True) == encode_message(self.vote)

    def test_an_integer_in_a_longer_form_is_refused(self) -> None:
        data = encode_message(self.vote)
        assert data[5:6] == b"\x05"
        with pytest.raises(DecodeError, match="canonical"):
            decode_message(data[:5] + b"\xcc\x05" + data[6:])

    def test_bytes_after_the_value_are_refused(self) -> None:
        with pytest.raises(DecodeError):
            decode_message(encode_message(self.vote) + b"\xc0")

    @pytest.mark.parametrize("strange", [1.5, -1, {}, {"a": 1}, msgpack.ExtType(1, b"x"), "5", b"5", True])
    def test_other_types_in_place_of_an_integer_are_refused(self, strange: Any) -> None:
        raw = self.plain()
        raw[1][2] = strange
        with pytest.raises(DecodeError):
            decode_message(msgpack.packb(raw, use_bin_type=True))

    def test_unsorted_voters_are_refused(self) -> None:
        signed = [[4, bytes(64)], [3, bytes(64)]]
        with pytest.raises(DecodeError, match="sorted"):
            decode_message(codec.pack([3, [2, 1, 5, None, signed]]))

    def test_a_lane_twice_in_a_cut_is_refused(self) -> None:
        header = [1, 1, 1, 0, bytes(32), 1, [[0, 1, bytes(32)], [0, 2, bytes(32)]], 0, bytes(32), [], None]
        with pytest.raises(DecodeError, match="lanes"):
            decode_message(codec.pack([5, header]))


def load(shape: codec.Field[Any], raw: Any) -> Any:
    return decode(shape, codec.pack(raw), "x", 1_000)


class TestLimits:
    """Each limit holds at its edge and one beyond."""

    def test_an_integer(self) -> None:
        shape = codec.uint(7)
        assert load(shape, 7) == 7
        with pytest.raises(DecodeError, match="0 to 7"):
            load(shape, 8)

    @pytest.mark.parametrize(("size", "fits"), [(1, False), (2, True), (3, True), (4, False)])
    def test_bytes(self, size: int, fits: bool) -> None:
        shape = codec.blob(2, 3)
        if fits:
            assert load(shape, bytes(size)) == bytes(size)
        else:
            with pytest.raises(DecodeError, match="2 to 3 bytes"):
                load(shape, bytes(size))

    def test_text_counts_bytes_not_letters(self) -> None:
        shape = codec.text(4)
        assert load(shape, "éé") == "éé"
        with pytest.raises(DecodeError, match="4 bytes"):
            load(shape, "ééa")

    def test_a_sequence(self) -> None:
        shape = codec.sequence(codec.uint(), 2)
        assert load(shape, [1, 2]) == (1, 2)
        with pytest.raises(DecodeError, match="2 items"):
            load(shape, [1, 2, 3])

    def test_the_whole_input(self) -> None:
        data = encode(codec.uint(), 300)
        assert decode(codec.uint(), data, "x", len(data)) == 300
        with pytest.raises(DecodeError, match="at most 2"):
            decode(codec.uint(), data, "x", len(data) - 1)

    @pytest.mark.parametrize(
        ("message", "longer"),
        [
            (types.Have((types.LaneTip(0, 1, bytes(32)),) * messages.LANES_MAX), "tips"),
            (types.Get((bytes(32),) * messages.GET_HEADERS_MAX, ()), "headers"),
            (types.Get((), (types.BatchRange(bytes(32), 0),) * messages.GET_BATCHES_MAX), "batches"),
        ],
    )
    def test_lists_of_messages(self, message: Any, longer: str) -> None:
        assert decode_message(encode_message(message)) == message
        items = getattr(message, longer)
        with pytest.raises(DecodeError, match="items"):
            decode_message(encode_message(type(message)(**{**fields(message), longer: (*items, items[0])})))

    def test_an_envelope_in_a_batch(self) -> None:
        header = types.BatchHeader(0, 1, bytes(32), bytes(32), 1, 1, 1)
        fits = types.Batch(header, bytes(64), (bytes(ENVELOPE_BYTES_MAX),))
        assert decode_message(encode_message(fits)) == fits
        with pytest.raises(DecodeError, match="envelopes"):
            decode_message(encode_message(types.Batch(header, bytes(64), (bytes(ENVELOPE_BYTES_MAX + 1),))))

    def test_the_largest_batch_fits_into_a_message(self) -> None:
        header = types.BatchHeader(0, 1, bytes(32), bytes(32), BATCH_COUNT_MAX, BATCH_BYTES_MAX, UINT64_MAX)
        size = BATCH_BYTES_MAX // BATCH_COUNT_MAX
        batch = types.Batch(header, bytes(64), (bytes(size),) * BATCH_COUNT_MAX)
        assert decode_message(encode_message(batch)) == batch

    def test_a_claimed_length_beyond_the_input_costs_no_memory(self) -> None:
        with pytest.raises(DecodeError, match="6 fields"):
            decode_message(b"\x92\x02\xdd\xff\xff\xff\xff")

    def test_deep_nesting_is_refused(self) -> None:
        with pytest.raises(DecodeError):
            decode_message(b"\x91" * 100_000)


def fields(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in type(message).__slots__}
