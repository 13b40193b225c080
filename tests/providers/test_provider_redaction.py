"""The key in an answer: gone in whatever form, and nothing else with it."""

import pytest

from bridge.model import Answer
from bridge.providers.redaction import without_key


@pytest.mark.parametrize(
    "body",
    [
        b'{"message": "Incorrect API key provided: ab/cd+ef=12"}',
        b'{"message": "Incorrect API key provided: ab\\/cd+ef=12"}',
        b'{"url": "https://cdn.example/a.mp4?key=ab%2Fcd%2Bef%3D12"}',
        b"Bearer ab/cd+ef=12 is not valid; ab/cd+ef=12 is",
    ],
)
def test_the_key_is_found_in_every_form_it_takes(body: bytes) -> None:
    """PHP escapes slashes, and links percent-encode."""
    seen = without_key(Answer(http_status=401, body=body), "ab/cd+ef=12").body
    assert b"***" in seen
    assert b"cd" not in seen.replace(b"https://cdn", b"")


@pytest.mark.parametrize("key", [None, "", "x", "success", "another-key-of-length"])
def test_answers_without_it_are_left_as_they_are(key: str | None) -> None:
    """A placeholder such as `x` must not turn `success` into a word that nobody knows."""
    answer = Answer(http_status=200, body=b'{"status": "success", "x": 1}')
    assert without_key(answer, key) is answer
