"""However many models callers invent, a bounded number is told apart: the most used."""

from bridge.cadence import History
from bridge.polling.kinds import ALL, MODELS, Kinds
from bridge.polling.labels import IDLE_S, KEPT_S, LABEL, SHORT_S

NOW = 1_000_000.0


def history(ends: int) -> History:
    one = History()
    for _ in range(ends):
        one.ended(60.0, 60.0)
    return one


def use(kinds: Kinds, model: str, now: float = NOW) -> bool:
    """As a poll that saw an end; whether it is told apart."""
    kind = ("amux", model)
    admitted = kinds.admits(kind, now)
    if admitted:
        kinds.seen(kind, now).ended(60.0, 60.0)
    return admitted


def models(kinds: Kinds) -> set[str]:
    return {model for _, model in {*kinds.histories, *kinds.news}}


def test_labels_have_places_of_their_own_and_no_more_of_them() -> None:
    """What the provider names, and all of its tasks, are in nobody's way."""
    kinds = Kinds()
    admitted = [use(kinds, f"{LABEL}{number}") for number in range(MODELS + 5)]
    assert admitted == [True] * MODELS + [False] * 5
    assert all(use(kinds, f"model-{number}") for number in range(MODELS))
    assert use(kinds, ALL)
    assert len(models(kinds)) == 2 * MODELS + 1


def test_who_invents_labels_without_end_displaces_those_alone() -> None:
    """One that is used keeps its place, and a new one that will be gets one."""
    kinds, now = Kinds(), NOW
    for _ in range(5):
        assert use(kinds, f"{LABEL}good", now)
    for number in range(10 * MODELS):
        now += SHORT_S / MODELS * 1.1
        use(kinds, f"{LABEL}junk-{number}", now)
        assert use(kinds, f"{LABEL}good", now)
    assert use(kinds, f"{LABEL}new", now + SHORT_S)
    assert {f"{LABEL}good", f"{LABEL}new"} <= models(kinds)
    assert len(models(kinds)) == MODELS
    assert len(kinds.forgotten) > 8 * MODELS


def test_a_place_that_was_used_a_lot_is_free_after_a_day() -> None:
    kinds = Kinds()
    for number in range(MODELS):
        for _ in range(5):
            use(kinds, f"{LABEL}{number}", NOW + number)
    assert not use(kinds, f"{LABEL}new", NOW + IDLE_S)
    assert use(kinds, f"{LABEL}new", NOW + IDLE_S + 1)
    assert kinds.forgotten == {("amux", f"{LABEL}0")}
    assert use(kinds, f"{LABEL}0", NOW + IDLE_S + 2)
    assert kinds.forgotten == {("amux", f"{LABEL}1")}


def test_of_what_other_nodes_have_seen_the_most_used_is_taken() -> None:
    """They may have other labels than this one, and more than there are places."""
    kinds = Kinds()
    read = {("amux", f"{LABEL}{n}"): history(n) for n in range(2 * MODELS)}
    kinds.take({**read, ("amux", ALL): history(9)}, NOW)
    kept = {f"{LABEL}{n}" for n in range(MODELS, 2 * MODELS)}
    assert models(kinds) == {*kept, ALL}


def test_what_nobody_has_asked_for_in_a_month_is_forgotten() -> None:
    kinds = Kinds()
    use(kinds, f"{LABEL}old")
    use(kinds, ALL)
    use(kinds, f"{LABEL}new", NOW + 60.0)
    kinds.prune(NOW + KEPT_S + 30.0)
    assert models(kinds) == {ALL, f"{LABEL}new"}
