"""The SQL and its callers fit together, and what is asked all the time has its index."""

import ast
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest

import bridge.store
from bridge.store.delivery_claims import LANES, LOGGED
from bridge.store.migrate import migrate
from bridge.store.steps import statements

FOLDER = Path(bridge.store.__file__).parent
SQL = resources.files("bridge.store").joinpath("queries.sql").read_text("utf-8")
DECLARED = {
    name: set(filter(None, params.replace(" ", "").split(",")))
    for name, params in re.findall(r"^-- name: (\w+)\((.*)\)!?$", SQL, re.MULTILINE)
}

# Asked at every turn of a loop or by every request: these may read no more rows than they
# return, or one for each lane.
HOT = (
    "attempts",
    "calm_lanes",
    "clients_of",
    "due_deadlines",
    "due_deliveries",
    "due_polls",
    "due_robot",
    "edge_of_deliveries",
    "edge_of_replays",
    "edge_of_state",
    "event_body",
    "find_credential",
    "find_delivery",
    "find_destination",
    "find_equal_hook",
    "find_hook",
    "find_lane",
    "find_repeat",
    "find_robot",
    "find_subscription",
    "first_owners",
    "gone_deliveries",
    "hook_deliveries",
    "hooks_of",
    "lags",
    "listeners",
    "new_events",
    "newest_delivery",
    "notice_owner",
    "old_hooks",
    "old_subscriptions",
    "page_of_client",
    "page_of_client_state",
    "page_of_deliveries",
    "page_of_state",
    "page_of_subscription",
    "page_of_task",
    "poll_owners",
    "ready_credentials",
    "ready_first_lanes",
    "ready_first_lanes_of",
    "ready_replay_lanes",
    "ready_replay_lanes_of",
    "ready_retry_lanes",
    "ready_retry_lanes_of",
    "recent_ends",
    "recent_ends_of",
    "replay_owners",
    "replayed",
    "replays",
    "replays_of_subscription",
    "retry_owners",
    "take_lanes",
    "unchecked_subscriptions",
    "updates_of",
    "view_delivery",
    "view_subscription",
)
# Lists that the caller gives.
GIVEN = ("SCAN json_each ", "SCAN j VIRTUAL")
AROUND = ("USE TEMP", "CORRELATED")
# Sort what one subscription or one task has, or the lanes of given hosts, which is little.
SORTED = {
    "newest_delivery",
    "page_of_subscription",
    "page_of_task",
    "ready_first_lanes_of",
    "ready_replay_lanes_of",
    "ready_retry_lanes_of",
    "replays_of_subscription",
}


# Asked for by names that are looked up.
LOOKED_UP = [
    *((name, set(params)) for name, params in LOGGED.items()),
    *((kind.of_hosts, {"owner", "now", "limit", "hosts"}) for kind in LANES),
]


def calls() -> Iterator[tuple[str, set[str] | None]]:
    """Each query asked for by name, and with which parameters; None: not told apart."""
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(
                node.func, ast.Name | ast.Attribute
            ):
                called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                names = named(node, 1 if called in ("ask", "Query") else 2)
                if called in ("ask", "read", "scan", "Query", "Place", "Kind"):
                    for name in names:
                        yield name, params_of(node) if called == "ask" else None


def named(node: ast.Call, most: int) -> list[str]:
    """The literal names among the first arguments."""
    return [
        argument.value
        for argument in node.args[:most]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


def params_of(node: ast.Call) -> set[str] | None:
    given = [keyword.arg for keyword in node.keywords]
    return None if None in given else {name for name in given if name is not None}


CALLS = [*calls(), *LOOKED_UP]


@pytest.fixture(scope="module")
def schema() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        yield connection


def plan(connection: sqlite3.Connection, name: str) -> list[str]:
    bound = dict.fromkeys(DECLARED[name])
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statements()[name]}", bound)
    return [row[3] for row in rows]


def test_every_query_has_a_caller_and_every_caller_a_query() -> None:
    """A query that nobody asks is dead; one that does not exist fails at the worst time."""
    assert {name for name, _ in CALLS} == set(statements()) == set(DECLARED)


@pytest.mark.parametrize(("name", "given"), [one for one in CALLS if one[1] is not None])
def test_a_caller_gives_the_parameters_that_the_query_declares(
    name: str, given: set[str]
) -> None:
    """No more, which would be forgotten ones, and no fewer."""
    assert given == DECLARED[name]


@pytest.mark.parametrize("name", statements())
def test_a_query_declares_the_parameters_it_has(name: str) -> None:
    used = set(re.findall(r"(?<![:\w]):([a-z_]+)", statements()[name]))
    assert used == DECLARED[name]


@pytest.mark.parametrize("name", statements())
def test_every_query_fits_the_schema(schema: sqlite3.Connection, name: str) -> None:
    """Tables, columns and syntax are right, also of what is asked once a month."""
    assert plan(schema, name) is not None


@pytest.mark.parametrize("name", HOT)
def test_what_is_asked_all_the_time_reads_by_an_index(
    schema: sqlite3.Connection, name: str
) -> None:
    """A million watches must not be looked through for the ten that are due."""
    steps = plan(schema, name)
    assert any("SEARCH" in step for step in steps), steps
    for step in steps:
        given = step == "SCAN owner" or step.startswith(
            ("SCAN json_each ", "SCAN j VIRTUAL")
        )
        assert not step.startswith("SCAN") or given, steps
        assert "TEMP B-TREE" not in step or name in SORTED, steps


@pytest.mark.parametrize("name", ["exhausted_since", "gone_since"])
def test_what_was_lost_of_late_is_found_by_its_time(
    schema: sqlite3.Connection, name: str
) -> None:
    """Each minute; what is sorted and joined then is no more than that."""
    _, first, *rest = plan(schema, name)
    assert re.match("SEARCH . USING INDEX (deliveries_given_up|destinations_gone) ", first)
    assert not any(step.startswith(("SCAN d", "SCAN t", "SCAN l ")) for step in rest)


@pytest.mark.parametrize(
    "name",
    [
        "active_of_client",
        "active_of_all",
        "count_exhausted",
        "silent_hosts",
        "troubled_hosts",
    ],
)
def test_what_pages_count_is_cut_off(schema: sqlite3.Connection, name: str) -> None:
    """Somebody looks every few seconds: no count goes through all there is."""
    assert "LIMIT :limit" in statements()[name]
    steps = plan(schema, name)
    first = next(step for step in steps if step.startswith(("SEARCH", "SCAN")))
    assert "USING INDEX" in first or "INDEX" in first or name == "active_of_all", steps


@pytest.mark.parametrize("name", ["keyless_subscriptions", "refused_keys"])
def test_tasks_of_refused_keys_are_found_from_the_keys(
    schema: sqlite3.Connection, name: str
) -> None:
    """Of keys there are few. Upkeep looks each minute, and holds up every write then;
    whoever has a page open, every few seconds.
    """
    first, *rest = [step for step in plan(schema, name) if not step.startswith(AROUND)]
    assert first == "SCAN c"
    assert all(step.startswith("SEARCH") for step in rest)


@pytest.mark.parametrize("name", ["listeners", "unschedule_idle_watch", "settle_closing"])
def test_who_is_active_is_found_without_reading_who_was(
    schema: sqlite3.Connection, name: str
) -> None:
    """A task may be subscribed to and left again ten thousand times."""
    assert any("(watch_id=? AND state=?" in step for step in plan(schema, name))


def test_what_is_given_up_is_found_by_state_and_time(schema: sqlite3.Connection) -> None:
    """Among millions that were accepted, and from the day that was asked for."""
    for name in ("replays", "page_of_state"):
        [step] = [step for step in plan(schema, name) if step.startswith("SEARCH d ")]
        assert step.endswith("deliveries_state (state=? AND created_at>? AND created_at<?)")
    of_one = plan(schema, "replays_of_subscription")
    assert any("(subscription_id=?)" in step for step in of_one)


def test_looking_for_work_reads_nothing_through(schema: sqlite3.Connection) -> None:
    """To see that nothing is due costs a few looks for each owner, and no more."""
    for name in ("poll_owners", "first_owners", "retry_owners", "replay_owners"):
        searches = [step for step in plan(schema, name) if step.startswith("SEARCH")]
        assert len(searches) == 4


def test_every_index_is_of_use(schema: sqlite3.Connection) -> None:
    """An index is paid for at each write. Those of foreign keys are for deleting."""
    indexes = {
        name
        for (name,) in schema.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        )
    }
    used = {
        word
        for name in statements()
        for step in plan(schema, name)
        for word in step.split()
    }
    assert indexes - used == set()
