"""The demo's plan covers what can become of a task, and its bridge is like a real one."""

import pytest

from bridge.config.models import Config
from bridge.model import Outcome
from bridge.providers.configured import configured
from bridge.signature import mint
from bridge.simulator.demo.plan import DEAD, DIALECTS, Upstream, configuration, tasks
from bridge.simulator.script import Fault, magic

PLAN = tasks()


def test_every_kind_of_end_and_every_provider_is_in_it() -> None:
    """
    What the demo leaves out, it does not show to work.
    """
    assert {task.outcome for task in PLAN} == set(Outcome) - {Outcome.TIMED_OUT}
    assert {task.provider for task in PLAN} == set(DIALECTS)
    assert sum(task.receiver == DEAD for task in PLAN) == 1
    assert len(PLAN) >= 24
    assert {task.format for task in PLAN} == {"standard", "flat"}


@pytest.mark.parametrize("task", PLAN, ids=lambda task: task.name)
def test_the_script_of_each_task_leads_to_the_expected_end(task: object) -> None:
    """
    A plan at odds with its own simulator would blame the bridge.
    """
    assert task in PLAN
    planned = PLAN[PLAN.index(task)]
    script = magic(planned.task_id)
    assert script is not None
    end = script.phases[-1][1]
    lost = end.fault is Fault.NOT_FOUND
    assert planned.outcome == ("unreachable" if lost else end.status.value)
    assert planned.settled_s == script.settled_s <= 6


def test_cancelled_and_expired_are_asked_only_of_the_dialect_that_says_them() -> None:
    """
    A gateway would leave such a task in progress for a day.
    """
    spoken = {task.provider for task in PLAN if task.outcome in ("cancelled", "expired")}
    assert spoken == {"rong"}


def test_ids_are_unique_and_fit_any_page() -> None:
    """
    Two subscriptions to one id would be one watch.
    """
    assert len({task.task_id for task in PLAN}) == len(PLAN)
    assert all(task.task_id.replace("-", "").isalnum() for task in PLAN)


def test_refusing_receivers_go_by_another_host_name() -> None:
    """
    Rules about a bad host must be seen not to slow the good one.
    """
    url = "http://127.0.0.1:9"
    hosts = {task.receiver: task.callback_url(url) for task in PLAN}
    assert hosts["/ok"] == "http://127.0.0.1:9/ok"
    assert hosts[DEAD] == "http://localhost:9/dead"


def test_the_configuration_is_one_the_bridge_accepts() -> None:
    """
    A setting that was renamed must fail here, not in front of somebody.
    """
    upstreams = {
        name: Upstream(base_url=f"http://127.0.0.1:9/{name}", key="k") for name in DIALECTS
    }
    given = configuration(
        port=8080,
        database="/tmp/demo/bridge.db",
        encryption_key="0123456789abcdef0123456789abcdef",
        api_key="0123456789abcdef",
        signing_secret=mint(),
        upstreams=upstreams,
    )
    config = Config.model_validate(given)
    providers = configured(config)
    assert config.database.get_secret_value() == "sqlite:////tmp/demo/bridge.db"
    assert config.granted("demo") == set(DIALECTS)
    assert config.callbacks.retries == (1.0, 1.0, 2.0, 2.0, 3.0)
    assert providers["newapi"].base_url == "http://127.0.0.1:9/newapi"
    for each in providers.values():
        poll, page = each.page.poll, each.page
        assert (poll.first, poll.min, poll.interval, poll.max) == (0.3, 0.2, 0.5, 1.0)
        assert (page.refresh, page.not_found_grace) == (0.2, 0.5)
