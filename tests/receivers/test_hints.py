"""Every kind of refusal gives words that a person can act on, and none that betray."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model import AttemptOutcome, Reply
from bridge.receivers.hints import finished, hint, redirection

REFUSED, CONFLICT = AttemptOutcome.REFUSED, AttemptOutcome.CONFLICT


def reply(
    outcome: AttemptOutcome, status: int | None = None, body: str = "", detail: str = ""
) -> Reply:
    return Reply(
        outcome=outcome, http_status=status, detail=detail or None, body=body.encode()
    )


def n8n(status: int, message: str) -> Reply:
    outcome = CONFLICT if status == 409 else REFUSED
    return reply(outcome, status, json.dumps({"code": status, "message": message}))


# What n8n 1.123 answered in each case, and what its user must do.
N8N = {
    "Wait node not reached": (
        n8n(409, 'The execution "9" is running already.'),
        "has not reached its Wait node",
    ),
    "Wait node over": (
        n8n(409, 'The execution "9 has finished already.'),
        "raise or switch off the Wait node's own time limit",
    ),
    "Wait node on another method": (
        n8n(
            404,
            "It does not contain a waiting webhook with a matching path/method.",
        ),
        "set its HTTP Method to POST",
    ),
    "Webhook node on another method": (
        n8n(
            404,
            "This webhook is not registered for POST requests. Did you mean to make a GET "
            "request?",
        ),
        "another method: set its HTTP Method to POST",
    ),
    "not published": (
        n8n(404, 'The requested webhook "POST bridge-result" is not registered.'),
        "publish the workflow and set its HTTP Method to POST",
    ),
    "unknown execution": (
        n8n(404, 'The execution "12" does not exist.'),
        "does not know this execution",
    ),
    "workflow failed": (n8n(500, "Error in workflow"), "respond “Immediately”"),
    "header auth": (reply(REFUSED, 403, "Authorization data is wrong!"), "Header auth"),
    "bot filter": (reply(REFUSED, 403, "Authorization data is wrong!"), "bot filter"),
    "bad JSON": (n8n(422, "Failed to parse request body"), "application/json"),
    "body too large": (n8n(500, "request entity too large"), "N8N_PAYLOAD_SIZE_MAX"),
}

GENERAL = {
    "400": (reply(REFUSED, 400), "does not accept the request"),
    "401": (reply(REFUSED, 401), "credentials"),
    "403": (reply(REFUSED, 403), "Header auth does not match, or a bot filter"),
    "404": (reply(REFUSED, 404), "publish the workflow and set its HTTP Method to POST"),
    "405": (reply(REFUSED, 405), "does not take POST"),
    "408": (reply(REFUSED, 408), "slow proxy"),
    "409": (reply(CONFLICT, 409), "webhook-id that you know"),
    "410": (reply(AttemptOutcome.GONE, 410), "wants nothing any more"),
    "413": (reply(REFUSED, 413), "include_raw"),
    "415": (reply(REFUSED, 415), "application/json"),
    "418": (reply(REFUSED, 418), "Only a 2xx answer"),
    "421": (reply(REFUSED, 421), "host name"),
    "422": (reply(REFUSED, 422), "format: flat"),
    "425": (reply(REFUSED, 425), "Only a 2xx answer"),
    "429": (reply(AttemptOutcome.THROTTLED, 429), "fewer requests"),
    "500": (reply(REFUSED, 500), "look into its log"),
    "501": (reply(REFUSED, 501), "does not know POST"),
    "502": (reply(REFUSED, 502), "down or restarting"),
    "503": (reply(REFUSED, 503), "down or restarting"),
    "504": (reply(REFUSED, 504), "down or restarting"),
    "999": (reply(REFUSED, 999), "down or restarting"),
    "no status": (reply(REFUSED), "Only a 2xx answer"),
    "timeout": (reply(AttemptOutcome.TIMEOUT), "answer 2xx first"),
    "reset": (reply(AttemptOutcome.RESET), "broke before the answer"),
    "connect": (reply(AttemptOutcome.CONNECT_ERROR), "localhost is the container"),
    "proxy": (reply(AttemptOutcome.PROXY_ERROR), "callbacks.proxy"),
    "proxy refuses": (
        reply(
            AttemptOutcome.CONNECT_ERROR,
            detail="the proxy made no connection: it answered 403",
        ),
        "allow CONNECT",
    ),
    "DNS": (reply(AttemptOutcome.DNS_ERROR), "does not resolve"),
    "TLS": (reply(AttemptOutcome.TLS_ERROR), "certificate"),
    "forbidden": (reply(AttemptOutcome.ADDRESS_FORBIDDEN), "callbacks.allow_hosts"),
    "not HTTP": (reply(AttemptOutcome.INVALID_ANSWER), "not HTTP"),
    "crash": (reply(AttemptOutcome.UNKNOWN), "bridge stopped"),
    "presumed": (reply(AttemptOutcome.PRESUMED, 409), "earlier attempt"),
    "redirect": (reply(AttemptOutcome.REDIRECTED, 302), "give the final URL"),
}


class TestWords:
    @pytest.mark.parametrize("case", [*N8N, *GENERAL])
    def test_each_case_says_what_to_do(self, case: str) -> None:
        """
        Most receivers are built by people who cannot read a stack trace.
        """
        got, words = (N8N | GENERAL)[case]
        said = hint(got, "POST")
        assert said is not None
        assert words in said
        assert "{" not in said

    def test_success_needs_no_words(self) -> None:
        """
        A hint beside an accepted delivery would look like a fault.
        """
        assert (
            hint(reply(AttemptOutcome.ACCEPTED, 200, "Error in workflow"), "POST") is None
        )

    @pytest.mark.parametrize("outcome", AttemptOutcome)
    def test_no_outcome_is_forgotten(self, outcome: AttemptOutcome) -> None:
        """
        A new outcome without words would leave its users alone.
        """
        said = hint(reply(outcome), "POST")
        assert (said is None) is (outcome is AttemptOutcome.ACCEPTED)

    @pytest.mark.parametrize("status", [404, 405, 501])
    def test_the_method_is_the_one_that_was_used(self, status: int) -> None:
        """
        For a callback with method GET, "set it to POST" would send people astray.
        """
        said = hint(reply(REFUSED, status), "GET")
        assert said is not None
        assert "GET" in said
        assert "POST" not in said

    def test_words_of_n8n_count_only_with_their_status(self) -> None:
        """
        Other software uses the same phrases for other things.
        """
        for got, words in N8N.values():
            moved = Reply(outcome=REFUSED, http_status=418, body=got.body)
            assert words not in (hint(moved, "POST") or "")

    def test_the_end_of_an_execution_is_recognised_in_a_409_only(self) -> None:
        """
        Delivery is presumed by these words, so they must not be found anywhere else.
        """
        body = 'The execution "9 has finished already.'
        assert finished(reply(CONFLICT, 409, body))
        assert finished(reply(CONFLICT, 409, body.upper()))
        assert not finished(reply(REFUSED, 404, body))
        assert not finished(reply(CONFLICT, 409, 'The execution "9" is running already.'))


class TestRedirects:
    @pytest.mark.parametrize(
        ("location", "words"),
        [
            ("https://www.example.com/", "redirects to https://www.example.com"),
            ("https://www.example.com", "redirects to https://www.example.com"),
            ("http://h:8080/a/SECRET?b=SECRET#c", "redirects to http://h:8080"),
            ("HTTPS://H.example?x=SECRET", "redirects to HTTPS://H.example"),
            ("https://[2001:db8::1]:8443/x", "redirects to https://[2001:db8::1]:8443"),
            ("https://user:SECRET@h.example/", "redirects elsewhere"),
            ("https://SECRET@h.example/", "redirects elsewhere"),
            ("/login?next=https://other.example/", "redirects elsewhere"),
            ("//h.example/SECRET", "redirects elsewhere"),
            ("https://h.example:SECRET/", "redirects elsewhere"),
            ("https://h.example\\SECRET", "redirects elsewhere"),
            ("https://exämple.com/", "redirects elsewhere"),
            ("https://h.example/\r\nX: y", "redirects to https://h.example"),
            ("javascript:alert(1)", "redirects elsewhere"),
            ("", "redirects elsewhere"),
            (None, "redirects elsewhere"),
        ],
    )
    def test_only_scheme_host_and_port_are_shown(
        self, location: str | None, words: str
    ) -> None:
        """
        The path of a callback is its password, and a redirect often repeats it.
        """
        assert redirection(location) == words

    @pytest.mark.parametrize(
        "detail", ["https://h.example/T0P/SECRET", "redirects to https://h.example"]
    )
    def test_the_hint_names_the_host_that_is_meant(self, detail: str) -> None:
        """
        http to https, or to www: the two redirects that people forget.
        """
        said = hint(reply(AttemptOutcome.REDIRECTED, 301, detail=detail), "POST")
        assert said is not None
        assert "redirects to https://h.example," in said
        assert "SECRET" not in said


class TestSecrecy:
    @given(
        outcome=st.sampled_from(AttemptOutcome),
        status=st.one_of(st.none(), st.integers(100, 599)),
        scheme=st.sampled_from(["https://", "http://", "//", ""]),
        host=st.sampled_from(["h.example", "u:pw@h.example", "h.example:8443"]),
        around=st.sampled_from(["{}", "redirects to {}", '{{"url": "{}"}}', "to {}"]),
    )
    def test_no_path_and_no_answer_is_ever_repeated(
        self,
        outcome: AttemptOutcome,
        status: int | None,
        scheme: str,
        host: str,
        around: str,
    ) -> None:
        """
        Hints are shown in places where the callback URL itself is masked.
        """
        text = around.format(f"{scheme}{host}/hooks/T0PS3CRET?token=T0PS3CRET")
        said = hint(reply(outcome, status, text, text), "POST")
        assert "T0PS3CRET" not in (said or "")
        assert "u:pw" not in (said or "")
