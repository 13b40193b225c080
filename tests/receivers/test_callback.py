"""A callback is either sent exactly as it was understood, or refused with the remedy."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bridge.errors import FieldFault, RequestError
from bridge.model import Destination
from bridge.receivers import callback
from bridge.receivers.callback import destination, literal_address


def accept(url: str, headers: Mapping[str, str] | None = None) -> Destination:
    return destination(url, headers or {}, https_only=False)


def refuse(url: str = "https://a.test/", **headers: str) -> tuple[FieldFault, ...]:
    with pytest.raises(RequestError) as caught:
        destination(url, headers, https_only=False)
    assert caught.value.code == "invalid_request"
    return caught.value.errors


def outcome(url: str, headers: Mapping[str, str]) -> Destination | RequestError:
    try:
        return accept(url, headers)
    except RequestError as refused:
        return refused


@pytest.mark.parametrize(
    ("given_url", "canonical", "host"),
    [
        ("https://a.test/hook", "https://a.test/hook", "a.test"),
        ("https://a.test", "https://a.test/", "a.test"),
        ("https://a.test?x=1", "https://a.test/?x=1", "a.test"),
        ("https://a.test/?", "https://a.test/", "a.test"),
        ("HTTPS://A.Test./Hook", "https://a.test/Hook", "a.test"),
        ("https://a.test:443/", "https://a.test/", "a.test"),
        ("http://a.test:80/", "http://a.test/", "a.test"),
        ("https://a.test:80/", "https://a.test:80/", "a.test"),
        ("https://a.test:/", "https://a.test/", "a.test"),
        ("http://n8n:5678/webhook", "http://n8n:5678/webhook", "n8n"),
        ("http://my_service/", "http://my_service/", "my_service"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/", "127.0.0.1"),
        ("http://[2001:DB8:0::1]:8080/", "http://[2001:db8::1]:8080/", "2001:db8::1"),
        ("https://bücher.test/", "https://xn--bcher-kva.test/", "xn--bcher-kva.test"),
        (
            "https://例え。テスト/",
            "https://xn--r8jz45g.xn--zckzah/",
            "xn--r8jz45g.xn--zckzah",
        ),
        ("https://a.test/通知?q=é", "https://a.test/%E9%80%9A%E7%9F%A5?q=%C3%A9", "a.test"),
        ("https://a.test/mail@b:c", "https://a.test/mail@b:c", "a.test"),
    ],
)
def test_a_url_is_written_in_one_form(given_url: str, canonical: str, host: str) -> None:
    """
    Two spellings of one callback are one destination: for lanes, for 410, for the log.
    """
    found = accept(given_url)
    assert (found.url, found.host) == (canonical, host)


@pytest.mark.parametrize(
    "target",
    [
        "/webhook-waiting/9?signature=ab%2Fcd%3D&x=%zz&y=a+b",
        "/a//b/../c/./%2e%2E/;v=1?a=1&a=2&&=&b",
        "/?q=[]{}|^`<>\"'!$&()*,;:@/?~",
        "/%",
    ],
)
def test_path_and_query_are_kept_byte_for_byte(target: str) -> None:
    """
    n8n signs its resume URLs: one byte re-encoded and the flow never goes on.
    """
    found = accept("https://a.test" + target)
    assert found.url == "https://a.test" + target
    assert URL(found.url, encoded=True).raw_path_qs == target


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "must be a whole URL"),
        ("a.test/hook", "must be a whole URL that begins with https:// or http://"),
        ("//a.test/hook", "must be a whole URL"),
        ("ftp://a.test/", "must be a whole URL"),
        ("javascript://a.test/%0aalert(1)", "must be a whole URL"),
        ("https:/a.test", "must be a whole URL"),
        ("https://", "no host"),
        ("https:///hook", "no host"),
        ("https://:80/", "no host"),
        ("https://a.test:port/", "port that cannot be read"),
        ("https://a.test:٣/", "port that cannot be read"),
        ("https://a.test:+80/", "port that cannot be read"),
        ("https://a.test:80:90/", "port that cannot be read"),
        ("https://a.test:0/", "not between 1 and 65535"),
        ("https://a.test:65536/", "not between 1 and 65535"),
        ("https://user:secret@a.test/", "Authorization header"),
        ("https://a.test@b.test/", "user name or password"),
        ("https://@a.test/", "user name or password"),
        ("https://a.test/#part", "has a fragment"),
        ("https://a.test#@b.test/", "has a fragment"),
        ("https://a.test/#", "has a fragment"),
        ("https://a.test\\@b.test/", "backslash"),
        ("https://a.test/a b", "a space"),
        (" https://a.test/", "a space"),
        ("https://a.test/\r\nX: y", "invisible"),
        ("https://a.test/\x00", "invisible"),
        ("https://a\u200b.test/", "invisible"),
        ("https://a.test/\u202e", "invisible"),
        ("https://a.test/\ud800", "invisible"),
        ("https://a..test/", "neither a name nor"),
        ("https://.test/", "neither a name nor"),
        ("https://a.test../", "neither a name nor"),
        ("https://a%2etest/", "neither a name nor"),
        ("https://a℀b.test/", "neither a name nor"),
        ("https://a*b.test/", "neither a name nor"),
        (f"https://{'a' * 64}.test/", "neither a name nor"),
        (f"https://{'a.' * 127}test/", "neither a name nor"),
        ("https://\u00ad/", "invisible"),
        ("http://127.1/", "unusual form"),
        ("http://2130706433/", "unusual form"),
        ("http://0x7f.0.0.1/", "unusual form"),
        ("http://0177.0.0.1/", "unusual form"),
        ("http://127.0.0.0x1/", "unusual form"),
        ("http://1.2.3.256/", "unusual form"),
        ("http://①②⑦.1/", "unusual form"),
        ("http://[127.0.0.1]/", "IPv6"),
        ("http://[::1/", "no host"),
        ("http://[::1]evil.test/", "no host"),
        ("http://[fe80::1%25eth0]/", "zone"),
        ("http://[v1.x]/", "IPv6"),
        ("https://a.test/" + "x" * 2048, "longer than 2048"),
        ("https://a.test/" + "é" * 400, "longer than 2048"),
    ],
)
def test_a_url_that_could_mislead_is_refused_with_the_remedy(url: str, said: str) -> None:
    """
    Whoever made an honest mistake reads how to mend it; whoever did not gets nowhere.
    """
    [fault] = refuse(url)
    assert fault.field == "callback_url"
    assert said in fault.message


def test_a_number_in_disguise_is_seen_as_the_address_it_is() -> None:
    """
    Full-width digits become plain ones on their way to the wire; the guard sees them so.
    """
    assert accept("http://①②⑦.⓪.⓪.①/").host == "127.0.0.1"


def test_https_alone_can_be_asked_for() -> None:
    """
    Results may be private; an operator can rule out plain HTTP.
    """
    assert destination("https://a.test/", {}, https_only=True).url == "https://a.test/"
    with pytest.raises(RequestError) as caught:
        destination("http://a.test/", {}, https_only=True, field="url")
    [fault] = caught.value.errors
    assert fault == FieldFault("url", "must be a whole URL that begins with https://")


urls = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https", "HTTP"]),
    st.one_of(
        st.from_regex(callback.NAME, fullmatch=True).filter(lambda name: len(name) < 254),
        st.text(min_size=1, max_size=20),
        st.ip_addresses(v=4).map(str),
        st.ip_addresses(v=6).map("[{}]".format),
    ),
    st.sampled_from(["", ":8080", ":", ":99999", "@"]),
    st.one_of(
        st.just(""),
        st.text(max_size=30).map("/{}".format),
        st.text(alphabet="%/?&=+;.~#é\\ [", max_size=20).map("?{}".format),
    ),
)


@given(urls)
def test_what_is_accepted_is_read_alike_by_the_client_that_sends_it(url: str) -> None:
    """
    If check and sending disagreed about the host, the check would be worth nothing.
    """
    found = outcome(url, {})
    if isinstance(found, RequestError):
        return
    read = URL(found.url, encoded=True)
    assert read.raw_host == found.host
    assert (read.raw_user, read.raw_password, read.raw_fragment) == (None, None, "")
    assert read.scheme in ("http", "https")
    assert found.url.isascii()
    assert str(read) == found.url
    assert found.url.endswith(read.raw_path_qs)
    assert accept(found.url) == found


@given(st.text(), st.dictionaries(st.text(), st.text()))
def test_nothing_from_outside_raises_anything_else(
    url: str, headers: dict[str, str]
) -> None:
    """
    Whatever a caller sends ends in a destination or in a 422.
    """
    found = outcome(url, headers)
    if isinstance(found, RequestError):
        assert found.errors
        assert all(re.match("callback_url|headers", fault.field) for fault in found.errors)
    else:
        assert len(found.headers) == len(headers)


def test_the_callers_headers_are_kept() -> None:
    """
    A static header is what every no-code tool can check.
    """
    headers = {"Authorization": "Bearer x", "X-Make-ApiKey": " k\t", "X-Empty": ""}
    assert accept("https://a.test/", headers).headers == {
        "Authorization": "Bearer x",
        "X-Make-ApiKey": "k",
        "X-Empty": "",
    }


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "content-length",
        "Content-Type",
        "Content-Encoding",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Proxy-Authorization",
        "Webhook-Signature",
        "webhook-id",
        "X-Signature-256",
        "User-Agent",
        "Accept-Encoding",
    ],
)
def test_headers_of_the_bridge_and_of_http_cannot_be_set(name: str) -> None:
    """
    A forged signature header, or a second length, would deceive the receiver.
    """
    [fault] = refuse(**{name: "x"})
    assert fault.field == f"headers.{name}"
    assert "leave it out" in fault.message


@pytest.mark.parametrize(
    "value", ["a\r\nX: y", "a\nb", "a\r", "\0", "\x7f", "secret\n", "é"]
)
def test_a_header_value_cannot_smuggle_lines(value: str) -> None:
    """
    A line break in a value would begin a header of its own.
    """
    [fault] = refuse(**{"X-Key": value})
    assert fault.field == "headers.X-Key"
    assert "line break" in fault.message


@pytest.mark.parametrize("name", ["", "X Key", "X-Key:", "X\nKey", "Schlüssel", "X(Key)"])
def test_a_header_name_is_a_token(name: str) -> None:
    """
    The same for names; what is wrong with it is not repeated back.
    """
    [fault] = refuse(**{name: "x"})
    assert fault.field == "headers"
    assert "name" in fault.message


def test_a_header_cannot_be_there_twice() -> None:
    """
    Receivers would take the one or the other.
    """
    [fault] = refuse(**{"X-Key": "1", "x-key": "2"})
    assert fault.field == "headers.x-key"


def test_headers_are_few_and_small() -> None:
    """
    They are stored with each subscription, and receivers refuse large ones.
    """
    full = {f"X-{n:02}": "v" * 200 for n in range(20)}
    assert len(accept("https://a.test/", full).headers) == 20
    [fault] = refuse(**full, **{"X-20": ""})
    assert "21 headers; 20 are allowed" in fault.message
    [fault] = refuse(**{"X-Key": "v" * 4092})
    assert "4097 bytes; 4096 are allowed" in fault.message


def test_every_fault_is_told_at_once() -> None:
    """
    Nobody should have to send a request three times to learn of three mistakes.
    """
    faults = refuse("nonsense", Host="x", **{"X-Key": "\n"})
    assert [fault.field for fault in faults] == [
        "callback_url",
        "headers.Host",
        "headers.X-Key",
    ]


@pytest.mark.parametrize(
    "host", ["example.com", "localhost", "127.1", "", "[]", "0x7f000001"]
)
def test_a_name_is_no_literal_address(host: str) -> None:
    """
    Names are resolved; only addresses are not.
    """
    assert literal_address(host) is None
