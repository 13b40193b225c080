"""The closed list of error codes, in the program and in its documentation."""

import ast
import re
from pathlib import Path

import pytest

import bridge
from bridge.api.problem import CODES, problem, refusal
from bridge.errors import FieldFault

ROOT = Path(bridge.__file__).parent
PAGE = ROOT.parent / "docs" / "errors.md"
ROW = re.compile(r"\| `(\w+)` \| (\d{3}) \| (.+?) \| .+ \|")


def test_the_documentation_lists_exactly_the_codes_there_are() -> None:
    """Programs are written against that page."""
    listed = {
        match[1]: (int(match[2]), match[3])
        for match in ROW.finditer(PAGE.read_text("utf-8"))
    }
    assert listed == {code: tuple(each) for code, each in CODES.items()}


def test_every_code_that_is_raised_is_in_the_list() -> None:
    """A code outside it would crash while the error is being told."""
    raised = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("RequestError", "problem", "failing")
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                raised.add(node.args[0].value)
    assert raised <= set(CODES)
    assert len(raised) > 15


def test_a_problem_has_the_members_of_rfc_9457() -> None:
    """In an order that is pleasant to read."""
    told = problem("not_found", "why", errors=[FieldFault("a", "b")], reasons={})
    assert told == {
        "type": "urn:poll-bridge:problem:not_found",
        "title": "There is nothing at this address",
        "status": 404,
        "detail": "why",
        "code": "not_found",
        "reasons": {},
        "errors": [{"field": "a", "message": "b"}],
    }
    with pytest.raises(KeyError):
        problem("made_up", "")


def test_several_faults_are_counted_in_the_detail() -> None:
    """For those who show only that."""
    faults = [FieldFault("a", "x"), FieldFault("b", "y")]
    assert refusal(faults).detail == "2 fields need to be changed: see `errors`"
    assert refusal(faults[:1]).detail == "a: x"
