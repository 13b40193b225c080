"""How a callback is called: by any format, and a chat robot with what it wants."""

from typing import Any, get_args

import pytest

from bridge import formats
from bridge.api.fields import Format
from bridge.lanes import Window
from bridge.model import ClaimedDelivery, Robot
from bridge.store import Pick
from tests.api.acting import SUCCEEDED, poll
from tests.api.conftest import Api


async def claimed(api: Api, **fields: Any) -> ClaimedDelivery:
    """The attempt that a subscription with these fields comes to."""
    answer = await api.subscribe(**fields)
    assert answer.status == 202, answer.json
    store, clock = api.deps.store, api.clock
    clock.advance(5.0)
    await poll(store, clock, SUCCEEDED)
    ready = await store.delivery_lanes(now=clock.now(), window=Window())
    picks = [Pick(lane, 100) for lane in ready.lanes]
    claims = await store.claim_deliveries(picks, now=clock.now(), lease_s=35)
    [found] = claims.items
    return found


def test_every_format_can_be_asked_for() -> None:
    """One that exists and cannot be named is of no use, and the other way round."""
    assert get_args(Format) == formats.FORMATS


async def test_query_is_get_by_another_name(api: Api) -> None:
    """Both words are in people's minds; they must not make two webhooks of one wish."""
    first = await api.subscribe(format="query")
    for again in ({"method": "GET"}, {"format": "query", "method": "GET"}):
        assert (await api.subscribe(**again)).json["id"] == first.json["id"]
    assert (await api.subscribe()).json["id"] != first.json["id"]


async def test_a_query_is_called_by_get(api: Api) -> None:
    assert (await claimed(api, format="query")).method == "GET"


async def test_a_robot_is_kept_with_what_it_wants(api: Api) -> None:
    """Days later nobody can ask for its secret any more."""
    robot = {"secret": "SEC1234", "keyword": "视频"}
    found = await claimed(api, format="dingtalk", robot=robot)
    assert (found.format, found.method) == ("dingtalk", "POST")
    assert found.destination.robot == Robot(kind="dingtalk", **robot)
    assert "SEC1234" not in repr(found)


async def test_a_program_is_no_robot(api: Api) -> None:
    assert (await claimed(api, format="form")).destination.robot is None


async def test_secret_and_keyword_are_part_of_what_is_asked_for(api: Api) -> None:
    """Whoever corrects a secret must not be given the subscription with the wrong one."""
    ids = set()
    for robot in ({}, {"secret": "a"}, {"secret": "b"}, {"secret": "a", "keyword": "b"}):
        answer = await api.subscribe(format="feishu", robot=robot)
        ids.add(answer.json["id"])
        again = await api.subscribe(format="feishu", robot=robot)
        assert (again.status, again.json["id"]) == (200, answer.json["id"])
    assert len(ids) == 4


async def test_a_form_can_describe_a_robot(api: Api) -> None:
    """No-code tools send forms, with fields that they cannot leave out."""
    robot = {"secret": "SEC1234", "keyword": "done"}
    first = await api.subscribe(format="feishu", robot=robot)
    plain = [("provider", "amux"), ("task_id", "task1"), ("format", "feishu")]
    plain.append(("callback_url", first.json["callback_url"]))
    for fields in (
        [("robot.secret", "SEC1234"), ("robot[keyword]", "done")],
        [("robot", '{"secret": "SEC1234", "keyword": "done"}')],
    ):
        again = await api("POST", "/subscribe", data=[*plain, *fields])
        assert (again.status, again.json["id"]) == (200, first.json["id"])
    blank = {"secret": "", "keyword": None}
    assert (await api.subscribe(format="slack", robot=blank)).status == 202


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", "slack"),
        ("https://discord.com/api/webhooks/1/t?wait=true", "discord"),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/x", "feishu"),
        ("https://open.larksuite.com/open-apis/bot/v2/hook/x", "feishu"),
        ("https://oapi.dingtalk.com/robot/send?access_token=x", "dingtalk"),
        ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x", "wecom"),
        ("https://hooks.slack.com/workflows/T0/A0/x", None),
        ("https://discord.com/api/webhooks/1/t/slack", None),
        ("https://app.example.com/services/x", None),
    ],
)
async def test_a_robot_that_is_taken_for_a_program_is_warned_about(
    api: Api, url: str, kind: str | None
) -> None:
    """Most robots say 200 to a body they do not know: nobody would hear of it."""
    answer = await api.subscribe(callback_url=url)
    assert answer.status == 202
    told = [each["message"] for each in answer.json["warnings"]]
    assert [f"`format: {kind}`" in each for each in told] == ([True] if kind else [])
    if kind:
        right = await api.subscribe(callback_url=url, format=kind)
        assert right.json["warnings"] == []
