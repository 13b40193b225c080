"""The table of answers in the contract, row by row, and the bounds of the schedule."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model import (
    AttemptOutcome,
    ClaimedDelivery,
    DeliveryState,
    Destination,
    Reply,
)
from bridge.receivers.retry import (
    QUICK_REPEATS,
    SCHEDULES,
    STANDARD,
    Schedule,
    Verdict,
    decide,
    lane_rest_s,
    rest_s,
)

NOW = 1_795_608_000.0
DEFAULT = Schedule()
DELIVERY = ClaimedDelivery(
    schedule_id=1,
    delivery_id=1,
    claim_no=1,
    claimed_at=NOW,
    attempt=1,
    manual=False,
    failures=0,
    conflicts=0,
    seen_lost=False,
    created_at=NOW,
    message_id="msg_k3J9_0",
    subscription_id="sub_k3J9",
    client="shop",
    lane_id=1,
    retry=False,
    type="task.succeeded",
    destination_id=1,
    destination=Destination(url="https://app.example.com/hooks", host="app.example.com"),
    method="POST",
    format="standard",
    signing_secrets=(),
    body=b"{}",
)
MANUAL = replace(DELIVERY, manual=True, failures=3, conflicts=2)
FINISHED = b'{"code":409,"message":"The execution \\"9 has finished already."}'
RUNNING = b'{"code":409,"message":"The execution \\"9\\" is running already."}'

REFUSED, CONFLICT = AttemptOutcome.REFUSED, AttemptOutcome.CONFLICT
THROTTLED = AttemptOutcome.THROTTLED


def reply(
    outcome: AttemptOutcome = REFUSED,
    status: int | None = None,
    retry_after_s: float | None = None,
    body: bytes = b"",
) -> Reply:
    return Reply(
        outcome=outcome, http_status=status, retry_after_s=retry_after_s, body=body
    )


def verdict(
    got: Reply,
    delivery: ClaimedDelivery = DELIVERY,
    *,
    schedule: Schedule = DEFAULT,
    now: float = NOW,
    dice: float = 0.0,
) -> Verdict:
    return decide(delivery, got, schedule=schedule, now=now, dice=dice)


ON_SCHEDULE = {
    "301": reply(AttemptOutcome.REDIRECTED, 301),
    "302": reply(AttemptOutcome.REDIRECTED, 302),
    "307": reply(AttemptOutcome.REDIRECTED, 307),
    "400": reply(REFUSED, 400),
    "401": reply(REFUSED, 401),
    "403": reply(REFUSED, 403),
    "404": reply(REFUSED, 404),
    "405": reply(REFUSED, 405),
    "408": reply(REFUSED, 408),
    "413": reply(REFUSED, 413),
    "422": reply(REFUSED, 422),
    "425": reply(REFUSED, 425),
    "429": reply(THROTTLED, 429),
    "500": reply(REFUSED, 500),
    "502": reply(REFUSED, 502),
    "503": reply(REFUSED, 503),
    "504": reply(REFUSED, 504),
    "409 finished": reply(CONFLICT, 409, body=FINISHED),
    "timeout": reply(AttemptOutcome.TIMEOUT),
    "reset": reply(AttemptOutcome.RESET),
    "connect": reply(AttemptOutcome.CONNECT_ERROR),
    "DNS": reply(AttemptOutcome.DNS_ERROR),
    "TLS": reply(AttemptOutcome.TLS_ERROR),
    "forbidden address": reply(AttemptOutcome.ADDRESS_FORBIDDEN),
    "not HTTP": reply(AttemptOutcome.INVALID_ANSWER),
    "crash": reply(AttemptOutcome.UNKNOWN),
}


class TestAProxyFault:
    @pytest.mark.parametrize("failures", [0, 5, 12, 13])
    def test_it_leaves_the_schedule_where_it_is(self, failures: int) -> None:
        """
        Whoever runs the receiver cannot mend the operator's proxy.
        """
        claimed = replace(DELIVERY, failures=failures, conflicts=2)
        got = verdict(reply(AttemptOutcome.PROXY_ERROR), claimed)
        assert got.state is DeliveryState.RETRYING
        assert (got.failures, got.conflicts, got.throttled) == (failures, 2, False)
        assert got.next_at == NOW + 5

    @pytest.mark.parametrize(
        ("age_s", "wait_s"), [(0, 5), (60, 12), (600, 120), (7_200, 900), (200_000, 900)]
    )
    def test_the_pause_grows_with_age(self, age_s: float, wait_s: float) -> None:
        """
        A short outage is over soon, and a long one is not hammered at.
        """
        old = replace(DELIVERY, created_at=NOW - age_s)
        got = verdict(reply(AttemptOutcome.PROXY_ERROR), old)
        assert got.next_at == NOW + wait_s

    @pytest.mark.parametrize(
        ("schedule", "patience_s"), [(Schedule((5,)), 86_400), (DEFAULT, 1.5 * 174_230)]
    )
    def test_age_alone_ends_it(self, schedule: Schedule, patience_s: float) -> None:
        """
        By the schedule's own limit, but a short schedule waits a day.
        """
        states = [
            verdict(
                reply(AttemptOutcome.PROXY_ERROR),
                replace(DELIVERY, created_at=NOW - age_s),
                schedule=schedule,
            ).state
            for age_s in (patience_s - 1_000, patience_s)
        ]
        assert states == [DeliveryState.RETRYING, DeliveryState.EXHAUSTED]

    def test_by_hand_it_changes_nothing(self) -> None:
        """
        An extra attempt never touches the schedule.
        """
        got = verdict(reply(AttemptOutcome.PROXY_ERROR), MANUAL)
        assert (got.state, got.failures) == (None, 3)


class TestTheTable:
    @pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
    def test_2xx_is_accepted(self, status: int) -> None:
        """
        A receiver that said yes is never called again for the same event.
        """
        got = verdict(reply(AttemptOutcome.ACCEPTED, status), replace(DELIVERY, failures=4))
        assert got == Verdict(
            state=DeliveryState.ACCEPTED,
            failures=4,
            conflicts=0,
            outcome=AttemptOutcome.ACCEPTED,
        )

    def test_410_is_gone_at_once(self) -> None:
        """
        The one answer by which a receiver can stop us.
        """
        got = verdict(reply(AttemptOutcome.GONE, 410, retry_after_s=5))
        assert (got.state, got.next_at, got.outcome) == (
            DeliveryState.GONE,
            None,
            AttemptOutcome.GONE,
        )

    @pytest.mark.parametrize("case", ON_SCHEDULE)
    def test_any_other_answer_takes_the_next_step(self, case: str) -> None:
        """
        None of these says for certain that the receiver will never want the event.
        """
        got = verdict(ON_SCHEDULE[case], replace(DELIVERY, failures=3))
        assert (got.state, got.next_at, got.failures, got.conflicts) == (
            DeliveryState.RETRYING,
            NOW + DEFAULT.steps_s[3],
            4,
            0,
        )
        assert got.outcome is ON_SCHEDULE[case].outcome
        assert got.hint

    @pytest.mark.parametrize("case", ON_SCHEDULE)
    def test_any_other_answer_exhausts_after_the_last_step(self, case: str) -> None:
        """
        Somebody looks at an exhausted delivery; one that is tried for ever is never seen.
        """
        got = verdict(ON_SCHEDULE[case], replace(DELIVERY, failures=12))
        assert (got.state, got.next_at, got.failures) == (
            DeliveryState.EXHAUSTED,
            None,
            13,
        )
        assert got.hint

    @pytest.mark.parametrize("body", [RUNNING, b"", b"busy", b"\xff"])
    @pytest.mark.parametrize("conflicts", range(QUICK_REPEATS))
    def test_409_is_repeated_within_two_seconds_beside_the_schedule(
        self, body: bytes, conflicts: int
    ) -> None:
        """
        n8n answers so until its Wait node listens, about a second after the 202.
        """
        delivery = replace(DELIVERY, failures=2, conflicts=conflicts)
        for dice in (0.0, 0.999):
            got = verdict(reply(CONFLICT, 409, body=body), delivery, dice=dice)
            assert got.state is DeliveryState.RETRYING
            assert got.next_at == NOW + 1 + dice
            assert (got.failures, got.conflicts) == (2, conflicts + 1)

    def test_409_takes_the_schedule_once_the_quick_repeats_are_used_up(self) -> None:
        """
        A receiver that says 409 for good must not be asked every second for ever.
        """
        got = verdict(
            reply(CONFLICT, 409, body=RUNNING), replace(DELIVERY, conflicts=QUICK_REPEATS)
        )
        assert (got.next_at, got.failures, got.conflicts) == (NOW + 5, 1, QUICK_REPEATS)

    @pytest.mark.parametrize("delivery", [DELIVERY, MANUAL])
    def test_finished_after_a_lost_answer_is_presumed(
        self, delivery: ClaimedDelivery
    ) -> None:
        """
        The earlier attempt resumed the flow; to go on would report a loss that never was.
        """
        got = verdict(
            reply(CONFLICT, 409, body=FINISHED), replace(delivery, seen_lost=True)
        )
        assert (got.state, got.next_at, got.outcome) == (
            DeliveryState.PRESUMED,
            None,
            AttemptOutcome.PRESUMED,
        )
        assert got.hint is not None
        assert "earlier attempt" in got.hint

    def test_finished_without_a_lost_answer_says_that_the_wait_ran_out(self) -> None:
        """
        Nobody has the event then, so calling it delivered would be a lie.
        """
        got = verdict(reply(CONFLICT, 409, body=FINISHED))
        assert got.outcome is CONFLICT
        assert got.hint is not None
        assert "time limit" in got.hint

    @pytest.mark.parametrize("status", [400, 404, 500, 200])
    def test_the_words_count_only_in_a_409(self, status: int) -> None:
        """
        Any server may happen to say "has finished already" about something else.
        """
        outcome = AttemptOutcome.ACCEPTED if status == 200 else REFUSED
        got = verdict(
            reply(outcome, status, body=FINISHED), replace(DELIVERY, seen_lost=True)
        )
        assert got.outcome is outcome

    def test_a_forbidden_address_names_the_setting_that_allows_it(self) -> None:
        """
        The name of n8n in the same Docker network is the normal case.
        """
        got = verdict(reply(AttemptOutcome.ADDRESS_FORBIDDEN))
        assert got.hint is not None
        assert "callbacks.allow_hosts" in got.hint


class TestByHand:
    @pytest.mark.parametrize("case", [*ON_SCHEDULE, "409 running"])
    @pytest.mark.parametrize("failures", [0, 12])
    def test_a_failed_attempt_by_hand_leaves_the_schedule_alone(
        self, case: str, failures: int
    ) -> None:
        """
        Otherwise a click in the dashboard could cancel the retries that were still owed.
        """
        got = verdict(
            ON_SCHEDULE.get(case, reply(CONFLICT, 409, body=RUNNING)),
            replace(MANUAL, failures=failures, conflicts=2),
        )
        assert (got.state, got.next_at, got.failures, got.conflicts) == (
            None,
            None,
            failures,
            2,
        )
        assert got.hint

    def test_an_answer_that_settles_counts_whoever_asked(self) -> None:
        """
        The receiver has the event, or wants none any more.
        """
        accepted = verdict(reply(AttemptOutcome.ACCEPTED, 204), MANUAL)
        gone = verdict(reply(AttemptOutcome.GONE, 410), MANUAL)
        assert accepted.state is DeliveryState.ACCEPTED
        assert gone.state is DeliveryState.GONE

    def test_a_throttled_attempt_by_hand_is_heard_too(self) -> None:
        """
        The receiver's wish for quiet is not about who asked.
        """
        got = verdict(reply(THROTTLED, 429, retry_after_s=7), MANUAL)
        assert (got.state, got.throttled, rest_s(0, got)) == (None, True, 7)


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("failures", "asked_s", "wait_s"),
        [
            (0, None, 5),
            (0, 0, 5),
            (0, 4, 5),
            (0, -10, 5),
            (0, math.nan, 5),
            (0, 6, 6),
            (0, 3600, 3600),
            (0, 3601, 3600),
            (0, math.inf, 3600),
            (7, 3601, 3600),
            (8, 3600, 10_800),
            (8, 20_000, 10_800),
            (11, 10**9, 86_400),
        ],
    )
    def test_it_lengthens_a_wait_to_an_hour_or_the_step(
        self, failures: int, asked_s: float | None, wait_s: float
    ) -> None:
        """
        A typing error in a receiver's header must not postpone an event for a year.
        """
        got = verdict(reply(REFUSED, 404, asked_s), replace(DELIVERY, failures=failures))
        assert got.next_at == NOW + wait_s

    def test_it_holds_for_quick_repeats_as_well(self) -> None:
        """
        A receiver that says when it will be ready is believed.
        """
        got = verdict(reply(CONFLICT, 409, 30))
        assert (got.next_at, got.failures) == (NOW + 30, 0)

    @pytest.mark.parametrize(
        ("status", "asked_s", "rests"),
        [
            (429, None, (1, 1)),
            (429, 0, (1, 1)),
            (429, -5, (1, 1)),
            (429, math.nan, (1, 1)),
            (429, 0.5, (1, 1)),
            (429, 30, (30, 30)),
            (429, 61, (61, 60)),
            (429, math.inf, (3600, 60)),
            (503, None, None),
            (503, 0, None),
            (503, -5, None),
            (503, 30, (30, 30)),
            (503, 3600, (3600, 60)),
            (500, 30, None),
            (404, 30, None),
            (410, 30, None),
            (None, None, None),
        ],
    )
    def test_429_and_503_rest_the_destination_for_an_hour_and_its_lane_for_a_minute(
        self, status: int | None, asked_s: float | None, rests: tuple[int, int] | None
    ) -> None:
        """
        One receiver at a shared host must not silence the client's others for an hour.
        """
        outcome = {429: THROTTLED, 410: AttemptOutcome.GONE}.get(status or 0, REFUSED)
        got = verdict(reply(outcome, status, asked_s))
        assert got.throttled is (rests is not None)
        if rests is not None:
            assert (rest_s(0, got), lane_rest_s(got)) == rests

    def test_a_destination_that_does_not_say_how_long_rests_longer_each_time(self) -> None:
        got = verdict(reply(THROTTLED, 429))
        assert [rest_s(n, got) for n in (0, 1, 2, 5, 6, 999)] == [1, 2, 4, 32, 60, 60]


class TestSchedules:
    def test_the_steps_are_those_of_the_contract(self) -> None:
        """
        People plan their outages by these figures.
        """
        minute, hour = 60, 3600
        assert DEFAULT.steps_s == (
            *(5, 15, 30, minute, 2 * minute, 5 * minute, 15 * minute),
            *(hour, 3 * hour, 8 * hour, 12 * hour, 24 * hour),
        )
        assert STANDARD.steps_s == (
            *(5, 5 * minute, 30 * minute),
            *(hours * hour for hours in (2, 5, 10, 14, 20, 24)),
        )
        # The end of the specification's example: 75:35:05.
        assert math.fsum(STANDARD.steps_s) == 75 * hour + 35 * minute + 5
        assert SCHEDULES == {"default": DEFAULT, "standard": STANDARD}

    @pytest.mark.parametrize(
        "steps_s",
        [(0,), (0.5,), (-1,), (math.nan,), (math.inf,), (5, 8 * 86_400), (1,) * 101],
        ids=lambda steps: str(steps[:2]),
    )
    def test_steps_that_nobody_can_mean_are_refused(
        self, steps_s: tuple[float, ...]
    ) -> None:
        """
        A step of zero would hammer a receiver that is down.
        """
        with pytest.raises(ValueError, match="schedule"):
            Schedule(steps_s)

    def test_an_empty_schedule_is_one_attempt(self) -> None:
        """
        Whoever polls us anyway may want no retries.
        """
        got = verdict(reply(REFUSED, 500), schedule=Schedule(()))
        assert (got.state, got.failures) == (DeliveryState.EXHAUSTED, 1)

    def test_a_delivery_past_its_age_begins_no_long_step(self) -> None:
        """
        After days of outage a stale event should not go on for days more.
        """
        late = NOW + DEFAULT.age_limit_s
        got = verdict(reply(REFUSED, 500), replace(DELIVERY, failures=7), now=late)
        assert (got.state, got.next_at) == (DeliveryState.EXHAUSTED, None)

    def test_an_outage_of_ours_leaves_the_short_steps(self) -> None:
        """
        Receiver and bridge often restart together: the first refusal is no verdict.
        """
        late = NOW + 10 * DEFAULT.age_limit_s
        for failures in range(7):
            got = verdict(
                reply(REFUSED, 500), replace(DELIVERY, failures=failures), now=late
            )
            assert got.next_at == late + DEFAULT.steps_s[failures]

    def test_an_update_makes_three_attempts(self) -> None:
        """
        Progress of an hour ago is of no use, and the end will come anyway.
        """
        update = replace(DELIVERY, type="task.updated")
        states = [
            verdict(reply(REFUSED, 500), replace(update, failures=failures)).state
            for failures in range(3)
        ]
        assert states == [
            DeliveryState.RETRYING,
            DeliveryState.RETRYING,
            DeliveryState.EXHAUSTED,
        ]


SCHEDULE = st.builds(Schedule, st.lists(st.floats(1, 7 * 86_400), max_size=15).map(tuple))
DICE = st.floats(0, 1, exclude_max=True)
ASKED = st.one_of(st.none(), st.floats(), st.integers(-5, 10**6))
FAILED = st.sampled_from([*ON_SCHEDULE.values(), reply(CONFLICT, 409, body=RUNNING)])


class TestBounds:
    @given(
        schedule=SCHEDULE,
        failures=st.integers(0, 14),
        got=FAILED,
        asked_s=ASKED,
        dice=DICE,
        age_s=st.floats(0, 10**6),
    )
    def test_a_retry_is_never_early_and_retry_after_only_delays(
        self,
        schedule: Schedule,
        failures: int,
        got: Reply,
        asked_s: float | None,
        dice: float,
        age_s: float,
    ) -> None:
        """
        Whatever the dice and the receiver say, a receiver in trouble gets its pause.
        """
        delivery = replace(DELIVERY, failures=failures, conflicts=QUICK_REPEATS)
        now = NOW + age_s
        plain = verdict(got, delivery, schedule=schedule, now=now, dice=dice)
        asked = verdict(
            replace(got, retry_after_s=asked_s),
            delivery,
            schedule=schedule,
            now=now,
            dice=dice,
        )
        assert plain.state is asked.state
        if plain.next_at is None or asked.next_at is None:
            assert asked.next_at is plain.next_at
            return
        step_s = schedule.steps_s[failures]
        assert now + step_s <= plain.next_at <= asked.next_at
        assert plain.next_at <= now + step_s * 1.1 + 1e-3
        assert plain.next_at <= now + step_s + 300
        assert asked.next_at <= now + max(step_s, 3600) * 1.1
        if asked_s is not None and not math.isnan(asked_s):
            assert asked.next_at >= now + min(asked_s, max(step_s, 3600))

    @given(
        schedule=SCHEDULE,
        answers=st.lists(st.tuples(FAILED, ASKED, DICE), min_size=40, max_size=40),
        slowness_s=st.floats(0, 86_400),
    )
    def test_every_delivery_comes_to_an_end(
        self,
        schedule: Schedule,
        answers: list[tuple[Reply, float | None, float]],
        slowness_s: float,
    ) -> None:
        """
        By count and by age: no mixture of answers keeps a delivery alive for ever.
        """
        delivery, now, made = DELIVERY, NOW, 0
        for got, asked_s, dice in answers:
            made += 1
            now += slowness_s
            step = verdict(
                replace(got, retry_after_s=asked_s),
                delivery,
                schedule=schedule,
                now=now,
                dice=dice,
            )
            if step.next_at is None:
                break
            long = step.failures and schedule.steps_s[step.failures - 1] > 900
            if long and step.failures > delivery.failures:
                assert (
                    now + schedule.steps_s[step.failures - 1]
                    <= NOW + schedule.age_limit_s + 1
                )
            now = step.next_at
            delivery = replace(delivery, failures=step.failures, conflicts=step.conflicts)
        assert step.state is DeliveryState.EXHAUSTED
        assert made <= len(schedule.steps_s) + 1 + QUICK_REPEATS
