"""One line per event, for machines or for people, and nothing secret in it."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from bridge import logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def logged(form: str, **fields: object) -> str:
    stream = io.StringIO()
    logs.set_up(form=form, level="info", stream=stream)
    log = structlog.get_logger("tests")
    log.debug("too.small")
    log.info("something.happened", **fields)
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
