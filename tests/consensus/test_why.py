"""`Replica.why`: the real core in each situation that an operator may ask about."""

from __future__ import annotations

from typing import Any

from consensus.why import Why, listed, span
from tests.consensus.cluster import Cluster
from tests.consensus.support import PARAMETERS
from tests.consensus.test_epochs import first, reach

NAMES = dict(enumerate(["acme", "bolt", "cargo", "delta", "echo", "fox", "gull"]))


def why(cluster: Cluster, number: int) -> Why:
    return cluster.replica(number).why(cluster[number].now())


def forget(*_: Any) -> None:
    """In place of a method: what it would have learnt is lost."""


def test_idle_is_without_a_deadline_and_nobody_is_missing() -> None:
    cluster = Cluster()
    cluster.commit()
    cluster.run(5_000)
    found = why(cluster, 0)
    assert (found.phase, found.busy_ms, found.missing) == ("idle", None, ())


def test_how_long_a_block_is_wanted_does_not_begin_anew_with_each_view() -> None:
    cluster = Cluster()
    cluster.commit()
    cluster.world.part(2, 3)
    cluster.submit(0)
    cluster.run(40_000)
    found = why(cluster, 0)
    assert found.busy_ms is not None
    assert 39_000 < found.busy_ms <= 40_000
    assert f"no block for {found.busy_ms // 1000} s" in found.sentence(NAMES)
    assert [gone.member for gone in found.missing] == [2, 3]
    assert found.votes == 2
    cluster.world.heal()
    cluster.run(20_000)
    assert why(cluster, 0).busy_ms is None


def test_a_proposal_that_does_not_come_names_its_leader() -> None:
    cluster = Cluster()
    cluster[1].stop()
    cluster.submit(0)
    cluster.run(300)
    found = why(cluster, 0)
    assert (found.phase, [gone.member for gone in found.missing]) == ("proposal", [1])
    assert found.next_ms is not None
    assert 0 < found.next_ms <= PARAMETERS.base_timeout_ms
    assert "view 1 waits for the proposal of bolt" in found.sentence(NAMES)


def test_votes_that_are_missing_name_who_owes_them() -> None:
    cluster = Cluster()
    cluster[2].stop()
    cluster[3].stop()
    cluster.submit(0)
    phases = set()
    for _ in range(60):
        cluster.run(50)
        found = why(cluster, 0)
        phases.add(found.phase)
        if found.phase in ("notarise", "skip"):
            assert [gone.member for gone in found.missing][-2:] == [2, 3]
    assert {"notarise", "skip"} <= phases or {"proposal", "skip"} <= phases


def test_batches_that_do_not_come_name_their_author() -> None:
    """A node that gets no batches sees a final block and cannot go on."""
    cluster = Cluster()
    cluster.commit()
    replica = cluster.replica(3)
    replica.on_batch = forget  # type: ignore[method-assign,assignment]
    cluster.submit(1)
    found = None
    for _ in range(100):
        cluster.run(20)
        found = why(cluster, 3)
        if found.phase == "batches":
            break
    assert found is not None
    assert (found.phase, [gone.member for gone in found.missing]) == ("batches", [1]), found
    assert "those of bolt" in found.sentence(NAMES)


def test_a_clock_behind_the_others_is_told_from_their_proposals() -> None:
    cluster = Cluster()
    cluster.commit()
    slow = cluster[3]
    right = slow.now

    def wrong() -> Any:
        now = right()
        return type(now)(now.wall_ms - 3_600_000, now.mono_ms)

    slow.now = wrong  # type: ignore[method-assign]
    cluster.submit(0)
    phases = set()
    for _ in range(200):
        cluster.run(5)
        found = why(cluster, 3)
        phases.add(found.phase)
        if found.phase == "clock":
            assert "too far ahead of this clock" in found.sentence(NAMES)
            return
    raise AssertionError(phases)


def test_execution_that_is_behind_is_named() -> None:
    cluster = Cluster()
    cluster.commit()
    cluster[3].execution_ms = (10**9, 10**9)
    for _ in range(PARAMETERS.exec_lag_max + 4):
        cluster.submit(0)
        cluster.run(400)
    found = why(cluster, 3)
    assert found.phase == "execution"
    assert f"height {found.height} is final and" in found.sentence(NAMES)
    assert found.height > PARAMETERS.exec_lag_max


def test_an_observer_says_that_it_is_one() -> None:
    cluster = Cluster(size=4, candidates=1)
    cluster[4].stop()
    cluster[4].abstains = True  # a key that has no seat has nothing to answer for
    cluster[4].start()
    assert not cluster.replica(4).is_validator
    cluster.commit()
    cluster.run(5_000)
    assert why(cluster, 4).phase == "idle"
    cluster[2].stop()
    cluster[3].stop()
    cluster.submit(0)
    cluster.run(5_000)
    found = why(cluster, 4)
    assert found.phase == "observer"
    assert found.sentence(NAMES).startswith(
        f"observes at height {found.height}: the validators of epoch 1 vote"
    )


def test_the_end_of_an_epoch_is_told_while_it_lasts() -> None:
    cluster = Cluster(size=4, candidates=1, plan=((1, first(5)),))
    texts = []
    for _ in range(400):
        cluster[0].submit([cluster.world.transaction()])
        cluster.run(10)
        for number in range(4):
            found = why(cluster, number)
            if found.phase == "boundary":
                texts.append(found.sentence(NAMES))
        if all(cluster.replica(number).committee.epoch == 2 for number in range(5)):
            break
    reach(cluster, 2)
    assert texts
    assert any("epoch 1 ends with" in text for text in texts), texts


def test_one_who_has_not_executed_the_boundary_waits_for_itself() -> None:
    cluster = Cluster(size=4, candidates=1, plan=((1, first(5)),))
    cluster[3].execution_ms = (1_500, 1_500)
    texts = set()
    for _ in range(600):
        cluster[0].submit([cluster.world.transaction()])
        cluster.run(10)
        found = why(cluster, 3)
        if found.phase == "boundary":
            texts.add(found.text.partition(":")[0].partition(";")[0])
    assert texts, "the end of the epoch was never told"


def test_a_span_is_short() -> None:
    assert [span(ms) for ms in (0, 999, 1_000, 599_999, 600_000, 3_600_000)] == [
        "0 ms", "999 ms", "1 s", "599 s", "10 min", "60 min",
    ]  # fmt: skip
    assert [listed(items) for items in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
