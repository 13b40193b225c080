"""A URL is tried from the page alone, by people who type no commands."""

from dataclasses import replace

from prometheus_client import CollectorRegistry

from bridge.api.app import create_app
from bridge.dashboard import pages
from bridge.delivery.trial import Trial
from bridge.formats import FORMATS
from bridge.model import AttemptOutcome, ClaimedDelivery, Reply
from tests.api.conftest import served
from tests.dashboard.conftest import Visitor

URL = "https://app.example.com/hook"
TOOK = Reply(outcome=AttemptOutcome.ACCEPTED, http_status=200)


async def test_a_url_is_tested_as_its_receiver_wants_it(visitor: Visitor) -> None:
    """A chat robot refuses what is meant for a program, so its URL seems to be wrong."""
    sent: list[ClaimedDelivery] = []

    async def taken(claimed: ClaimedDelivery) -> Trial:
        sent.append(claimed)
        return Trial(started_at=0, finished_at=1, method="POST", reply=TOOK, hint=None)

    deps = replace(visitor.deps, try_out=taken, registry=CollectorRegistry())
    async with served(create_app(deps, pages)) as visitor.url:
        await visitor.sign_in()
        first = (await visitor.get("/test")).text
        assert "<option selected>standard</option>" in first
        for name in FORMATS:
            assert f"{name}</option>" in first
            page = await visitor.post("/test", callback_url=URL, format=name)
            assert page.status == 200
            assert f"<option selected>{name}</option>" in page.text
    told = ["query" if each.method == "GET" else each.format for each in sent]
    assert told == [*FORMATS]
