"""Figures → where they are drawn: inside the chart, at any width of it."""

import pytest

from bridge.dashboard.charts import Chart, H, W, durations_chart, ends_chart, lag_chart

NOW = 1_800_000_000.0
ENDS = [(NOW - 45 * n, "succeeded" if n % 3 else "failed") for n in range(79)]
LAGS = [(at, 0.01 * (n + 1)) for n, (at, _) in enumerate(ENDS)]
AGES = [{"until_s": 2.0**n, "ended": n / 40, "gap_s": 1 + n} for n in range(9)]
CHARTS = [ends_chart(ENDS, NOW), lag_chart(LAGS, NOW), durations_chart(AGES)]


@pytest.mark.parametrize("chart", CHARTS)
def test_all_of_it_is_inside(chart: Chart) -> None:
    assert not chart.empty
    for bar in chart.bars:
        assert 0 <= bar.x < bar.x + bar.width <= W
        assert 0 <= bar.y < bar.y + bar.height <= H or bar.height == 0
    for dot in chart.dots:
        assert 0 <= dot.x <= W
        assert 0 <= dot.y <= H
    for point in chart.line.split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= W
        assert 0 <= y <= H


@pytest.mark.parametrize("chart", CHARTS)
def test_labels_have_room_beside_each_other(chart: Chart) -> None:
    """Of the hundred hundredths each needs fifteen, on a phone two of them."""
    assert chart.across[0].at == 0
    assert len(chart.across) <= 5
    for one, other in zip(chart.across, chart.across[1:], strict=False):
        assert other.at - one.at >= 15


def test_bars_of_one_minute_stand_on_each_other() -> None:
    chart = ends_chart([(NOW - 1, "succeeded"), (NOW - 2, "failed")], NOW)
    good, bad = chart.bars
    assert (good.tone, bad.tone, good.x) == ("good", "bad", bad.x)
    assert bad.y + bad.height == good.y
    assert chart.summary == "2 ends, 1 succeeded, at most 2 in a minute"


def test_what_is_older_than_an_hour_or_unknown_is_left_out() -> None:
    assert ends_chart([(NOW - 3_601, "failed")], NOW).empty
    assert lag_chart([(NOW - 3_601, 1.0), (NOW, None)], NOW).empty
    assert durations_chart([]).empty
