"""Durations and rates: read as people write them, refused when they cannot be meant."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.duration import LONGEST_S, UNITS_S, seconds, text
from bridge.rate import Rate, rate


@given(st.integers(min_value=0, max_value=int(LONGEST_S * 1000)))
def test_what_is_written_is_read_as_the_same(milliseconds: int) -> None:
    """
    The configuration shown in the log can be pasted back into the file.
    """
    written = text(milliseconds / 1000)
    assert seconds(written) == pytest.approx(milliseconds / 1000, abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from(list(UNITS_S))), max_size=6))
def test_parts_add_up_if_each_unit_comes_once_and_in_order(
    parts: list[tuple[int, str]],
) -> None:
    """
    "30m2h" and "1h1h" are slips, and a slip in a deadline is not guessed at.
    """
    written = "".join(f"{count}{unit}" for count, unit in parts)
    order = [list(UNITS_S).index(unit) for _, unit in parts]
    if parts and order == sorted(set(order)):
        total = math.fsum(count * UNITS_S[unit] for count, unit in parts)
        assert seconds(written) == pytest.approx(total)
    else:
        with pytest.raises(ValueError, match="not a duration"):
            seconds(written)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("90", 90),
        (" 90s ", 90),
        ("1.5h", 5400),
        ("2h 30m", 9000),
        ("3 d", 259_200),
        ("5m3ms", 300.003),
        ("2w", 1_209_600),
        (0, 0),
        (0.25, 0.25),
        ("3653d", LONGEST_S),
    ],
)
def test_usual_spellings_are_understood(written: str | float, meant: float) -> None:
    """
    YAML, JSON, variables and people each have their habits.
    """
    assert seconds(written) == meant


TEXTS = [
    "",
    " ",
    "soon",
    "s",
    "1e3",
    "0x10",
    "1:30",
    "10y",
    "5M",
    ".5s",
    "5.s",
    "٣s",
    "1_0",
]
OTHERS = ["9" * 400, "1h" * 30, True, False, math.nan, None, [], "\x00"]


@pytest.mark.parametrize("nonsense", [*TEXTS, *OTHERS])
def test_nonsense_is_refused_with_advice(nonsense: object) -> None:
    """
    Whoever wrote it learns how to write it, and gets no wall of their own text back.
    """
    with pytest.raises(ValueError, match="not a duration; write it like") as caught:
        seconds(nonsense)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("negative", [-1, -0.5, "-5s", "- 5", -math.inf, -(10**400)])
def test_a_negative_duration_is_refused(negative: str | float) -> None:
    """
    A deadline in the past would end everything at once.
    """
    with pytest.raises(ValueError, match="cannot be negative"):
        seconds(negative)


@pytest.mark.parametrize("endless", ["3653d1ms", "530w", math.inf, 10**400, LONGEST_S + 1])
def test_more_than_ten_years_is_refused(endless: str | float) -> None:
    """
    Milliseconds taken for seconds show here.
    """
    with pytest.raises(ValueError, match="ten years"):
        seconds(endless)


def test_text_of_a_negative_span_says_so() -> None:
    """
    A clock that is off can make one; the log must not hide it.
    """
    assert text(-90) == "-1m30s"
    assert text(-0.0001) == "0s"


@given(
    st.integers(1, 10**9 - 1),
    st.integers(1, 86_400_000).map(lambda milliseconds: milliseconds / 1000),
)
def test_a_rate_is_read_as_it_is_shown(count: int, per_s: float) -> None:
    """
    As for durations.
    """
    found = rate(str(Rate(count, per_s)))
    assert found.count == count
    assert found.per_s == pytest.approx(per_s, abs=1e-6)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("20/s", Rate(20)),
        (" 600 / m ", Rate(600, 60)),
        ("5/10s", Rate(5, 10)),
        ("1/1d", Rate(1, 86_400)),
        ("7/1s500ms", Rate(7, 1.5)),
    ],
)
def test_rates_are_understood(written: str, meant: Rate) -> None:
    """
    The spellings of the contract, and what `str` makes of a rate.
    """
    assert rate(written) == meant


@pytest.mark.parametrize(
    "nonsense",
    ["", "often", "20", "20/", "/s", "5/10", "-1/s", "0.5/s", "5/..5s", "5/x", 5],
)
def test_a_rate_that_is_none_is_refused_with_advice(nonsense: object) -> None:
    """
    A limit nobody understood would be no limit.
    """
    with pytest.raises(ValueError, match="not a rate; write it like"):
        rate(nonsense)  # type: ignore[arg-type]


@pytest.mark.parametrize("impossible", ["0/s", "5/0s", "5/2d", "1/w"])
def test_a_rate_of_nothing_is_refused(impossible: str) -> None:
    """
    It would stop a provider without saying so.
    """
    with pytest.raises(ValueError, match="at least 1"):
        rate(impossible)
