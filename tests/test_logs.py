"""One line per event, for machines or for people, and nothing secret in it."""

import asyncio
import gc
import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from bridge import logs
from bridge.masking import masked
from bridge.metrics import Metrics
from bridge.model import Observation, PollOutcome
from bridge.polling.standing import SAID_S, Standing
from tests.conftest import START
from tests.test_transition import claimed

SECRET = "s3cret-text-of-an-error"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = structlog.get_config()
    root, levels = logging.getLogger(), logs.QUIET | logs.SILENT
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in levels:
        logging.getLogger(name).setLevel(logging.NOTSET)


def logged(form: str, **fields: object) -> str:
    return said(
        form, lambda: structlog.get_logger("tests").info("something.happened", **fields)
    )


def said(form: str, do: Callable[[], object], level: str = "info") -> str:
    stream = io.StringIO()
    logs.set_up(form=form, level=level, stream=stream)
    structlog.get_logger("tests").debug("too.small")
    do()
    return stream.getvalue()


def test_machines_get_json() -> None:
    """One object per line, with the level and the time in UTC."""
    [line] = logged("auto", attempt=2, config={"listen": "here"}).splitlines()
    said = json.loads(line)
    assert (said["event"], said["attempt"], said["level"]) == (
        "something.happened",
        2,
        "info",
    )
    assert said["config"] == {"listen": "here"}
    assert said["timestamp"].endswith("Z")


def test_people_get_text_without_the_whole_configuration() -> None:
    """It would push what they want to read out of sight."""
    line = logged("text", attempt=2, config={"listen": "here"})
    assert "something.happened" in line
    assert "attempt=2" in line
    assert "here" not in line


@pytest.mark.parametrize("name", sorted(logs.SECRET_FIELDS))
def test_fields_that_would_carry_secrets_are_starred(name: str) -> None:
    """Should a caller ever pass one."""
    assert json.loads(logged("json", **{name: "s3cret"}))[name] == "***"


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_error_is_told_by_its_kind_and_place(form: str) -> None:
    """Its words, and the values at hand, hold whatever some stranger has sent."""

    def fail() -> None:
        local = SECRET + " in a variable"
        try:
            try:
                raise KeyError(local)
            except KeyError as error:
                raise ValueError(SECRET) from error
        except ValueError:
            structlog.get_logger("tests").exception("work.failed", loop="poller")

    told = said(form, fail)
    assert "ValueError < KeyError" in told
    assert "test_logs.py" in told
    assert SECRET not in told


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_libraries_say_is_written_as_ours_is(form: str) -> None:
    """Theirs were lines that no collector of logs could read, with texts of exceptions."""

    def say() -> None:
        log = logging.getLogger("uvicorn.error")
        log.warning("nothing that helps")
        try:
            raise RuntimeError(SECRET)
        except RuntimeError:
            log.exception("Exception in ASGI application\n%s", SECRET)
        logging.getLogger("another").warning("GET https://u:p@a.test/x?sig=%s", SECRET)

    first, second = [line for line in said(form, say).splitlines() if "a" in line][:2]
    assert "Exception in ASGI application" in first
    assert "RuntimeError" in first
    assert "https://***@a.test/x?***" in second
    assert SECRET not in first + second
    if form == "json":
        [one, other] = [json.loads(line) for line in (first, second)]
        assert (one["level"], one["logger"]) == ("error", "uvicorn.error")
        assert (other["level"], other["logger"]) == ("warning", "another")


def test_a_task_that_nobody_waited_for_does_not_say_its_secret() -> None:
    """asyncio writes the exception into its message, twice."""

    async def forget() -> None:
        async def fail() -> None:
            raise ValueError(SECRET)

        task = asyncio.ensure_future(fail())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()

    told = said("json", lambda: asyncio.run(forget()))
    [line] = [json.loads(line) for line in told.splitlines()]
    assert (line["event"], line["error"]) == (
        "Task exception was never retrieved",
        "ValueError",
    )
    assert SECRET not in told


def test_texts_lose_what_urls_carry() -> None:
    """Wherever they are: in words, lists and groups of fields."""
    url = f"https://user:pa/ss@{SECRET}@host.test/hook?sig={SECRET}&x=1#{SECRET}"
    told = logged(
        "json", error=f"no answer from {url}.", faults=[url], more={"a": {"b": url}}
    )
    assert SECRET not in told
    assert "pa/ss" not in told
    assert "https://***@host.test/hook?***" in json.loads(told)["error"]


def test_polls_are_sampled_unless_all_are_wanted() -> None:
    """A busy node makes thousands in a second; one a minute says that it does."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("debug"))
    standing = Standing(Metrics())
    seen = Observation(outcome=PollOutcome.PENDING, http_status=200)
    with capture_logs() as lines:
        for at in (0.0, 1.0, SAID_S - 1, SAID_S, SAID_S + 1):
            standing.count(claimed(), seen, START + at, 0.5)
    assert {line["event"] for line in lines} == {"watch.polled"}
    levels = [(line["log_level"], line.get("unsaid")) for line in lines]
    beyond = ("debug", None)
    assert levels == [("info", 0), beyond, beyond, ("info", 2), beyond]


def test_a_long_text_is_masked_in_one_pass() -> None:
    """Whoever can have one logged must not stop the loop with it."""
    for text in ("?/" * 100_000, "://" * 100_000 + "@", "?" * 100_000 + "="):
        assert len(masked(text)) <= len(text)
    assert masked("what?/a?b=c and /d?e=f") == "what?/a?*** and /d?***"
