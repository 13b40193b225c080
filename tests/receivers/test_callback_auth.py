"""Callback auth is another spelling of a header or a query, with every trap named."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import RequestError
from bridge.model import Destination
from bridge.receivers.callback_auth import KINDS, auth_faults, authorized

TO = Destination(url="https://a.test/h?sig=x%2Fy", host="a.test", headers={"X-A": "1"})


def faults(auth: dict[str, str], headers: dict[str, str] | None = None) -> dict[str, str]:
    return {each.field: each.message for each in auth_faults(auth, headers or {})}


@pytest.mark.parametrize(
    ("auth", "added"),
    [
        ({"type": "bearer", "token": "t0p"}, {"Authorization": "Bearer t0p"}),
        (
            {"type": "basic", "username": "us€r", "password": "p:w"},
            {"Authorization": "Basic " + base64.b64encode("us€r:p:w".encode()).decode()},
        ),
        ({"type": "basic", "username": "key"}, {"Authorization": "Basic a2V5Og=="}),
        ({"type": "basic", "password": "key"}, {"Authorization": "Basic OmtleQ=="}),
        (
            {"type": "header", "name": "x-make-apikey", "value": " k "},
            {"x-make-apikey": "k"},
        ),
    ],
)
def test_what_becomes_a_header(auth: dict[str, str], added: dict[str, str]) -> None:
    """
    The caller's own headers stay, and the URL is not touched.
    """
    assert faults(auth, dict(TO.headers)) == {}
    found = authorized(TO, auth)
    assert found.headers == {"X-A": "1", **added}
    assert (found.url, found.shown) == (TO.url, TO.url)


@given(name=st.text(min_size=1, max_size=20), value=st.text(max_size=40))
def test_a_query_is_added_behind_and_never_shown(name: str, value: str) -> None:
    """
    What stands before it is signed by others, and must stay byte for byte.
    """
    auth = {"type": "query", "name": name, "value": value}
    if faults(auth) or name == "sig":
        return
    found = authorized(TO, auth)
    assert found.url.startswith(TO.url + "&")
    assert found.url.isascii()
    assert found.shown.startswith(TO.url + "&")
    assert found.shown.endswith("=***")
    assert found.shown.count("=") == 2


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("https://a.test/", "https://a.test/?k=v"),
        ("https://a.test/?", "https://a.test/?k=v"),
        ("https://a.test/?a=1&", "https://a.test/?a=1&k=v"),
    ],
)
def test_a_query_finds_its_joint(url: str, whole: str) -> None:
    """
    A URL that ends in the middle of a query is common where tools build it.
    """
    auth = {"type": "query", "name": "k", "value": "v"}
    assert authorized(Destination(url=url, host="a.test"), auth).url == whole


WRONG: list[tuple[dict[str, str], dict[str, str], str, str]] = [
    ({"token": "t"}, {}, "auth.type", "is required; known: bearer"),
    ({"type": "Bearer", "token": "t"}, {}, "auth.type", "no type 'Bearer'; known: bearer"),
    ({"type": "bearer"}, {}, "auth.token", "is required for type bearer"),
    ({"type": "basic"}, {}, "auth.username", "is required for type basic"),
    ({"type": "header", "name": "X-K"}, {}, "auth.value", "is required for type header"),
    ({"type": "bearer", "token": "t", "value": "v"}, {}, "auth.value", "takes token"),
    ({"type": "bearer", "token": "Bearer t"}, {}, "auth.token", "the token alone"),
    ({"type": "bearer", "token": "t\n"}, {}, "auth.token", "line break at its end"),
    ({"type": "bearer", "token": "té"}, {}, "auth.token", "printable ASCII"),
    ({"type": "basic", "username": "a:b"}, {}, "auth.username", "colon"),
    ({"type": "basic", "password": "a\r\nX: y"}, {}, "auth.password", "line break"),
    ({"type": "header", "name": "webhook-id", "value": "1"}, {}, "auth.name", "is set by"),
    ({"type": "header", "name": "Content-Type", "value": "1"}, {}, "auth.name", "is set"),
    ({"type": "header", "name": "a b", "value": "1"}, {}, "auth.name", "header names"),
    ({"type": "header", "name": "X-K", "value": "1\n"}, {}, "auth.value", "line break"),
    ({"type": "query", "name": "k\n", "value": "1"}, {}, "auth.name", "invisible"),
    ({"type": "query", "name": "k" * 257, "value": "1"}, {}, "auth.name", "longer than"),
    (
        {"type": "bearer", "token": "t"},
        {"authorization": "Basic x"},
        "auth",
        "sets Authorization, which is in `headers` too: keep one",
    ),
    ({"type": "header", "name": "X-K", "value": "1"}, {"x-k": "2"}, "auth", "keep one"),
    ({"type": "bearer", "token": "t" * 4_096}, {}, "auth", "4096 are allowed"),
    (
        {"type": "bearer", "token": "t"},
        {f"h{number}": "1" for number in range(20)},
        "auth",
        "together with `headers`, has 21 headers; 20 are allowed",
    ),
]


@pytest.mark.parametrize(("auth", "headers", "field", "message"), WRONG)
def test_each_fault_names_its_field_and_the_fix(
    auth: dict[str, str], headers: dict[str, str], field: str, message: str
) -> None:
    """
    A credential that is sent wrongly is only found out when a webhook does not come.
    """
    found = faults(auth, headers)
    assert message in found[field]
    assert all("t" * 64 not in each for each in found.values())


@pytest.mark.parametrize(
    ("auth", "field"),
    [
        ({"type": "query", "name": "sig", "value": "1"}, "auth.name"),
        ({"type": "query", "name": "k", "value": "v" * 2_048}, "auth.value"),
    ],
)
def test_a_url_without_a_place_for_it_is_told(auth: dict[str, str], field: str) -> None:
    """
    Two values of one parameter: each server takes another of them.
    """
    with pytest.raises(RequestError) as caught:
        authorized(TO, auth)
    assert [each.field for each in caught.value.errors] == [field]


def test_no_auth_changes_nothing() -> None:
    """
    Nearly all destinations have none.
    """
    assert auth_faults({}, {"A b": "x"}) == []
    assert authorized(TO, {}) is TO


@given(
    st.dictionaries(
        st.sampled_from(["type", "token", "username", "password", "name", "value"]),
        st.one_of(st.sampled_from([*KINDS]), st.text(max_size=30)),
    ),
    st.dictionaries(st.sampled_from(["authorization", "X-Key"]), st.text(max_size=5)),
)
def test_whatever_comes_is_a_fault_or_a_destination(
    auth: dict[str, str], headers: dict[str, str]
) -> None:
    """
    It comes from strangers.
    """
    if not auth_faults(auth, headers):
        for value in authorized(TO, auth).headers.values():
            assert value.isascii()
            assert "\n" not in value
