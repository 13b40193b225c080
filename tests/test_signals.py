"""Who is woken when there is work: the loops here, and the other nodes."""

from bridge.signals import DELIVERIES, POLLS, Signals


def connected(told: list[str]) -> tuple[Signals, list[str]]:
    """Signals that tell others by `told`, and what they have woken here."""
    signals, woken = Signals(told.append), list[str]()
    signals.connect(
        polls=lambda: woken.append("poller"), deliveries=lambda: woken.append("dispatcher")
    )
    return signals, woken


def test_work_wakes_the_loop_here_and_those_of_others() -> None:
    told: list[str] = []
    signals, woken = connected(told)
    signals.due()
    signals.owed()
    assert woken == ["poller", "dispatcher"]
    assert told == [POLLS, DELIVERIES]


def test_what_was_heard_is_not_told_again() -> None:
    """Two nodes would wake each other for ever."""
    told: list[str] = []
    signals, woken = connected(told)
    signals.hear(POLLS)
    signals.hear(DELIVERIES)
    assert woken == ["poller", "dispatcher"]
    assert told == []


def test_a_lone_node_tells_nobody() -> None:
    signals = Signals()
    signals.connect(polls=lambda: None, deliveries=lambda: None)
    signals.due()
    signals.owed()
