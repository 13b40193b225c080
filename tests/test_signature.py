"""Signing and proving webhooks, against published vectors and others' verifiers."""

import base64
import contextlib
import hashlib
import hmac
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.message import Message
from typing import Any

import openai
import pytest
import standardwebhooks
import svix.webhooks
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bridge import signature
from bridge.errors import VerificationError

BARE = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRET = "whsec_" + BARE
OTHER = "whsec_" + base64.b64encode(b"another secret, of 32 bytes long").decode()
PRIVATE = (
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9l"
    "MicMFs6Kvg=="
)
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
OPENAI_BODY = (
    b'{"id": "evt_685c059ae3a481909bdc86819b066fb6", "object": "event", '
    b'"created_at": 1750861210, "type": "response.completed", "data": {"id": "resp_123"}}'
)
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
GOOD = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

# to verify with, to sign with (None: too short), id, timestamp, body, signature
VECTORS = {
    "1 every library": (SECRET, SECRET, ID, AT, BODY, GOOD),
    "2 ed25519": (
        PUBLIC,
        PRIVATE,
        ID,
        AT,
        BODY,
        "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM"
        "+m7TBAg==",
    ),
    "3 openai": (
        "whsec_RdvaYFYUXuIFuEbvZHwMfYFhUf7aMYjYcmM24+Aj40c=",
        "whsec_RdvaYFYUXuIFuEbvZHwMfYFhUf7aMYjYcmM24+Aj40c=",
        "wh_685c059ae39c8190af8c71ed1022a24d",
        1750861210,
        OPENAI_BODY,
        "v1,gUAg4R2hWouRZqRQG4uJypNS8YK885G838+EHb4nKBY=",
    ),
    "4 unpadded, 23 bytes": (
        BARE[:-1],
        None,
        ID,
        AT,
        BODY,
        "v1,LVOXivKoo4FWasi/IaHvzhE/u+7/cu2AME+zS/nXqzk=",
    ),
    "5 unpadded, 25 bytes": (
        BARE + "Br",
        SECRET + "Br",
        ID,
        AT,
        BODY,
        "v1,yK2tMbA6BHPrMEJ1lLv7UlJJbgFoqGenJkiajZ29evg=",
    ),
    "6 empty body": (
        SECRET,
        SECRET,
        ID,
        AT,
        b"",
        "v1,v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A=",
    ),
    "7 UTF-8": (
        SECRET,
        SECRET,
        ID,
        AT,
        '{"name":"Zoë 🎬"}'.encode(),
        "v1,ogWREFd6rsGgbohKapyBEpuBEnpR+XY39hTD6H1jlgw=",
    ),
}
UTF8_BODY = '{"type":"task.succeeded","data":{"name":"Zoë 🎬 视频"}}'.encode()


def wire(
    signatures: object = GOOD, *, message_id: object = ID, timestamp: object = AT
) -> dict[str, Any]:
    at = str(timestamp) if type(timestamp) is int else timestamp
    return {
        "webhook-id": message_id,
        "webhook-timestamp": at,
        "webhook-signature": signatures,
    }


def proven(
    body: Any = BODY, headers: Any = None, secrets: Any = SECRET, *, now: float = AT
) -> dict[str, Any]:
    return signature.verify(body, wire() if headers is None else headers, secrets, now=now)


class TestVectors:
    @pytest.mark.parametrize("name", VECTORS)
    def test_what_a_published_vector_signs_is_proven(self, name: str) -> None:
        """
        A receiver written against the specification, and ours, must agree on every byte.
        """
        secret, _, message_id, at, body, expected = VECTORS[name]
        headers = wire(expected, message_id=message_id, timestamp=at)
        found = signature.verify(body, headers, secret, now=at)
        assert found == (json.loads(body) if body else {})

    @pytest.mark.parametrize("name", [name for name in VECTORS if VECTORS[name][1]])
    def test_we_sign_what_a_published_vector_says(self, name: str) -> None:
        """
        The other half: the text we send is the text others expect.
        """
        _, secret, message_id, at, body, expected = VECTORS[name]
        assert signature.sign(message_id, at, body, secret or "") == expected

    def test_the_hex_signature_is_the_one_github_documents(self) -> None:
        """
        No-code tools compare X-Signature-256 with an HMAC of the raw body, as for GitHub.
        """
        key = b"It's a Secret to Everybody"
        secret = "whsec_" + base64.b64encode(key).decode()
        sent = signature.headers(
            message_id=ID, sent_at=AT, body=b"Hello, World!", secrets=[secret]
        )
        assert sent["X-Signature-256"] == (
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        )


class TestMinting:
    def test_a_minted_secret_is_strong_text_without_padding(self) -> None:
        """
        People copy it by double click and paste its text form into a Crypto node.
        """
        secret = signature.mint()
        text = signature.text_of(secret)
        assert text is not None
        assert text.isalnum()
        assert text.isascii()
        assert len(text) * math.log2(62) >= 256
        assert not secret.endswith("=")
        assert signature.key_bytes(secret) == text.encode()
        assert secret != signature.mint()

    def test_the_dice_are_passed_in(self) -> None:
        """
        Every letter comes from the given choice: nothing else decides a secret.
        """
        assert signature.text_of(signature.mint(lambda letters: letters[-1])) == "9" * 45

    def test_a_random_key_has_no_text_form(self) -> None:
        """
        Control characters and bytes above ASCII cannot be typed into a form.
        """
        for key in (bytes(range(32)), b"\xff" * 32, b"with a space, is trimmed by forms."):
            assert signature.text_of("whsec_" + base64.b64encode(key).decode()) is None

    @pytest.mark.parametrize(
        ("secret", "words"),
        [
            ("", "begins with whsec_"),
            (BARE, "begins with whsec_"),
            (PRIVATE, "begins with whsec_"),
            ("whsec_", "not 0"),
            ("whsec_" + base64.b64encode(b"x" * 23).decode(), "not 23"),
            ("whsec_" + base64.b64encode(b"x" * 65).decode(), "not 65"),
            ("whsec_" + "a-_b" * 8, "not base64"),
            ("whsec_" + "a" * 33, "not base64"),
            ("whsec_" + "é" * 32, "not base64"),
            ("whsec_ab=cd" + "a" * 32, "not base64"),
        ],
    )
    def test_an_unfit_secret_is_refused_without_being_quoted(
        self, secret: str, words: str
    ) -> None:
        """
        The text ends up in a log or an answer, and a slip may be in one letter only.
        """
        with pytest.raises(ValueError, match=words) as caught:
            signature.key_bytes(secret)
        assert len(secret) < 8 or secret[6:] not in str(caught.value)

    def test_padding_and_a_newline_at_the_end_do_not_matter(self) -> None:
        """
        Secrets come out of files and out of other tools' forms.
        """
        padded = "whsec_" + base64.b64encode(b"x" * 25).decode()
        assert padded.endswith("==")
        assert signature.key_bytes(padded) == b"x" * 25
        assert signature.key_bytes(padded.rstrip("=") + "\n") == b"x" * 25

    @pytest.mark.parametrize("size", [24, 64])
    def test_the_bounds_of_the_specification_are_inclusive(self, size: int) -> None:
        """
        A secret of exactly 24 or 64 bytes is what several libraries make.
        """
        secret = "whsec_" + base64.b64encode(b"k" * size).decode()
        assert signature.key_bytes(secret) == b"k" * size


class TestSigning:
    @pytest.mark.parametrize("at", [-1, 161426533.0, True, "hello", 10**12])
    def test_only_a_whole_number_of_seconds_is_signed(self, at: Any) -> None:
        """
        A fraction or a sign in the timestamp fails at receivers, hours after the slip.
        """
        with pytest.raises(ValueError, match="whole number"):
            signature.sign(ID, at, BODY, SECRET)

    @pytest.mark.parametrize("message_id", ["", "msg.1", "msg 1", "msg_é", "msg_1\n"])
    def test_an_id_that_could_pass_for_something_else_is_not_signed(
        self, message_id: str
    ) -> None:
        """
        The full stop separates id, timestamp and body in what is signed.
        """
        with pytest.raises(ValueError, match="message id"):
            signature.sign(message_id, AT, BODY, SECRET)

    def test_a_private_key_of_a_wrong_size_is_refused(self) -> None:
        """
        A truncated key must not sign with what is left of it.
        """
        with pytest.raises(ValueError, match="32 or 64"):
            signature.sign(ID, AT, BODY, PRIVATE[:40])

    def test_a_seed_alone_signs_like_seed_and_public_key(self) -> None:
        """
        Both ways of writing a private key are in use.
        """
        seed = base64.b64decode(PRIVATE.removeprefix("whsk_"))[:32]
        alone = "whsk_" + base64.b64encode(seed).decode()
        assert signature.sign(ID, AT, BODY, alone) == signature.sign(ID, AT, BODY, PRIVATE)

    def test_nothing_is_sent_unsigned_or_with_another_kind_of_key(self) -> None:
        """
        An empty list is a slip of ours that a receiver could not tell from an attack.
        """
        with pytest.raises(ValueError, match="no secret"):
            signature.headers(message_id=ID, sent_at=AT, body=BODY, secrets=[])
        with pytest.raises(ValueError, match="whsec_"):
            signature.headers(message_id=ID, sent_at=AT, body=BODY, secrets=[PRIVATE])

    def test_while_two_secrets_are_current_both_sign(self) -> None:
        """
        A receiver may hold either of them during a change of secret.
        """
        sent = signature.headers(
            message_id=ID, sent_at=AT + 0.9, body=BODY, secrets=[OTHER, SECRET]
        )
        assert sent["webhook-timestamp"] == str(AT)
        assert sent["webhook-signature"].split(" ")[1] == GOOD
        assert len(sent["X-Signature-256"].split(",")) == 2
        for secret in (OTHER, SECRET):
            digest = hmac.digest(signature.key_bytes(secret), BODY, hashlib.sha256).hex()
            assert f"sha256={digest}" in sent["X-Signature-256"].split(",")
            assert proven(headers=sent, secrets=secret) == json.loads(BODY)

    def test_a_get_signs_its_query_string_with_both_signatures(self) -> None:
        """
        A GET has no body: unsigned facts in the query could be changed by anybody.
        """
        query = b"signature=abc&ok=true&name=Zo%C3%AB"
        sent = signature.headers(
            message_id=ID, sent_at=AT, body=b"", secrets=[SECRET], query=query
        )
        digest = hmac.digest(signature.key_bytes(SECRET), query, hashlib.sha256).hex()
        assert sent["X-Signature-256"] == f"sha256={digest}"
        assert proven(query, sent) == {}
        with pytest.raises(VerificationError, match="no signature matches"):
            proven(query.replace(b"true", b"false"), sent)


def by_standardwebhooks(body: bytes, headers: dict[str, str], secret: str) -> None:
    standardwebhooks.Webhook(secret).verify(body, headers)


def by_svix(body: bytes, headers: dict[str, str], secret: str) -> None:
    svix.webhooks.Webhook(secret).verify(body, headers)


def by_openai(body: bytes, headers: dict[str, str], secret: str) -> None:
    with openai.OpenAI(api_key="unused") as client:
        client.webhooks.verify_signature(body, headers, secret=secret)


class TestOtherVerifiers:
    """Receivers use these packages, not our code; they read the wall clock themselves."""

    @pytest.mark.parametrize("verifier", [by_standardwebhooks, by_svix, by_openai])
    @pytest.mark.parametrize("count", [1, 2])
    def test_other_peoples_code_proves_what_we_sign(
        self, verifier: Callable[[bytes, dict[str, str], str], None], count: int
    ) -> None:
        """
        With one secret and with two current ones, and a body beyond ASCII.
        """
        secrets = [signature.mint() for _ in range(count)]
        sent = signature.headers(
            message_id="msg_k3J9_0", sent_at=time.time(), body=UTF8_BODY, secrets=secrets
        )
        for secret in secrets:
            verifier(UTF8_BODY, sent, secret)
        with pytest.raises(Exception, match=r"(?i)signature"):
            verifier(UTF8_BODY, sent, signature.mint())

    def test_what_they_sign_is_proven_by_us(self) -> None:
        """
        A receiver that has our verify can point other senders of the standard at it.
        """
        secret = signature.mint()
        at = time.time()
        signed = standardwebhooks.Webhook(secret).sign(
            "msg_1", datetime.fromtimestamp(int(at), UTC), UTF8_BODY.decode()
        )
        headers = wire(signed, message_id="msg_1", timestamp=int(at))
        assert signature.verify(UTF8_BODY, headers, secret) == json.loads(UTF8_BODY)


class TestRefusals:
    @pytest.mark.parametrize(
        "signatures",
        [
            f"nonsense {GOOD}",
            f"v1 {GOOD}",
            f"v1,a,b {GOOD}",
            f"v1,!!! {GOOD}",
            f"v1,\udcff {GOOD}",
            f"v1, {GOOD}",
            f"v2,Ceo5 v1,Ceo5 {GOOD} v1,Ceo5",
            f"v1a,AAAA {GOOD}",
            f"  {GOOD} ",
        ],
    )
    def test_a_malformed_candidate_does_not_hide_a_good_one(self, signatures: str) -> None:
        """
        Senders may add schemes of their own; the reference library stumbles over them.
        """
        assert proven(headers=wire(signatures)) == {"test": 2432232314}
        assert proven(headers=wire(signatures), secrets=[PUBLIC, SECRET])

    @pytest.mark.parametrize(
        "signatures",
        [
            "v1,",
            "v1",
            ",",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA=",
            GOOD[:-5],
            GOOD.rstrip("="),
            GOOD.removeprefix("v1,"),
            GOOD.replace("v1,", "v2,"),
            GOOD.replace("v1,", "v1a,"),
            GOOD.replace("v1,", "V1,"),
            GOOD.replace(",", ",,"),
            "v1,not-base64!",
            "v1,é",
            "v1,\udcff",
        ],
        ids=ascii,
    )
    @pytest.mark.parametrize(
        "secrets", [SECRET, [OTHER, SECRET], [SECRET, PUBLIC]], ids=len
    )
    def test_a_wrong_or_malformed_signature_proves_nothing(
        self, signatures: str, secrets: Any
    ) -> None:
        """
        Whatever stands there, there is one exception to catch.
        """
        with pytest.raises(VerificationError):
            proven(headers=wire(signatures), secrets=secrets)

    @pytest.mark.parametrize(
        "timestamp",
        [
            "hello",
            "",
            " 1614265330",
            "1614265330 ",
            "1614265330\n",
            "+1614265330",
            "-1614265330",
            "1614265330.0",
            "1.61426533e9",
            "1_614_265_330",
            "01614265330",
            "١٦١٤٢٦٥٣٣٠",
            "1614265330²",
            "9" * 400,
            "nan",
            "inf",
            "0x6037bbf2",
        ],
        ids=ascii,
    )
    def test_a_timestamp_is_plain_digits(self, timestamp: str) -> None:
        """
        Each is signed correctly here: only its form is wrong.
        """
        content = ID.encode() + b"." + timestamp.encode() + b"." + BODY
        digest = hmac.digest(signature.key_bytes(SECRET), content, hashlib.sha256)
        signed = "v1," + base64.b64encode(digest).decode()
        with pytest.raises(VerificationError, match="webhook-timestamp is malformed"):
            proven(headers=wire(signed, timestamp=timestamp))

    @pytest.mark.parametrize("shift_s", [-301, 301, math.nan, math.inf])
    def test_a_timestamp_too_far_from_now_is_refused(self, shift_s: float) -> None:
        """
        A recorded webhook cannot be played again later, nor one made for the future.
        """
        with pytest.raises(VerificationError, match="timestamp is"):
            proven(now=AT + shift_s)

    @pytest.mark.parametrize("shift_s", [-300, -299.5, 0, 299.5, 300])
    def test_five_minutes_either_way_are_tolerated(self, shift_s: float) -> None:
        """
        The window of the reference libraries, so that a clock good for them is for us.
        """
        assert proven(now=AT + shift_s)

    def test_the_window_can_be_lifted_for_recorded_webhooks(self) -> None:
        """
        Tests and replays verify webhooks of any age.
        """
        assert signature.verify(BODY, wire(), SECRET, tolerance_s=math.inf)

    def test_without_a_given_time_the_machine_is_asked(self) -> None:
        """
        The vector is years old, so a receiver that passes no time refuses it.
        """
        with pytest.raises(VerificationError, match="timestamp is"):
            signature.verify(BODY, wire(), SECRET)

    @pytest.mark.parametrize(
        "name", ["webhook-id", "webhook-timestamp", "webhook-signature"]
    )
    def test_every_header_is_needed_once_and_as_text(self, name: str) -> None:
        """
        Frameworks give None, lists, or both of two equal headers.
        """
        without = {key: value for key, value in wire().items() if key != name}
        with pytest.raises(VerificationError, match=f"{name} is missing"):
            proven(headers=without)
        with pytest.raises(VerificationError, match=f"{name} is repeated"):
            proven(headers={**wire(), name.title(): wire()[name]})
        for value in (None, 1614265330, 1.5, [wire()[name]], (), "", b"", object()):
            with pytest.raises(VerificationError, match=f"{name} is malformed"):
                proven(headers={**without, name: value})

    def test_two_header_lines_are_told_from_one(self) -> None:
        """
        A map of many values must not show us the first line and the program the second.
        """
        headers = CIMultiDict(wire())
        assert proven(headers=headers)
        headers.add("Webhook-Signature", GOOD)
        with pytest.raises(VerificationError, match="repeated"):
            proven(headers=headers)

    @pytest.mark.parametrize("headers", [[], "webhook-id", 7, dict, object(), [("a", "b")]])
    def test_headers_of_another_shape_are_refused(self, headers: Any) -> None:
        """
        A slip in the receiver's code must not look like a bug in this module.
        """
        with pytest.raises(VerificationError, match="not a mapping"):
            proven(headers=headers)

    def test_headers_are_found_in_any_case_and_in_bytes(self) -> None:
        """
        HTTP names have no case; the standard library and ASGI have shapes of their own.
        """
        message = Message()
        for name, value in wire().items():
            message[name.title()] = value
        assert proven(headers=message)
        assert proven(headers={name.upper(): value for name, value in wire().items()})
        assert proven(headers={k.encode(): v.encode() for k, v in wire().items()})
        assert proven(headers={**wire(), None: 1, 7: "x", b"\xff": b"\xff"})

    @pytest.mark.parametrize(
        "message_id", ["msg.1", "a b", "é", "\n", "x" * 257], ids=ascii
    )
    def test_an_id_with_a_full_stop_or_spaces_is_refused(self, message_id: str) -> None:
        """
        Signed content is joined by full stops: with one in the id it has two readings.
        """
        with pytest.raises(VerificationError, match="webhook-id is malformed"):
            proven(headers=wire(message_id=message_id))

    @pytest.mark.parametrize(
        "secrets",
        [
            "",
            "whsec_",
            "whpk_",
            "AA==",
            "whsec_AA==",
            "whsec_" + base64.b64encode(b"x" * 15).decode(),
            "whsec_!",
            "whsec_" + SECRET,
            "é" * 32,
            "\udcff" * 32,
            PRIVATE,
            PUBLIC[:-4],
            [],
            (),
            [""],
            [SECRET, ""],
            [SECRET, None],
            [SECRET, SECRET.encode()],
            SECRET.encode(),
            {SECRET: 1},
            None,
            7,
            "A" * 8192,
        ],
        ids=lambda secrets: ascii(secrets)[:24],
    )
    def test_an_unusable_secret_fails_instead_of_proving(self, secrets: Any) -> None:
        """
        An unset variable must not turn into a key that everybody knows.
        """
        with pytest.raises(VerificationError):
            proven(secrets=secrets)

    def test_a_public_key_is_never_an_hmac_key(self) -> None:
        """
        Whoever knows it could forge: the public key is public.
        """
        raw = base64.b64decode(PUBLIC.removeprefix("whpk_"))
        forged = signature.sign(ID, AT, BODY, "whsec_" + base64.b64encode(raw).decode())
        for claimed in (forged, forged.replace("v1,", "v1a,")):
            with pytest.raises(VerificationError, match="no signature matches"):
                proven(headers=wire(claimed), secrets=PUBLIC)
        genuine = signature.sign(ID, AT, BODY, PRIVATE)
        assert proven(headers=wire(genuine), secrets=PUBLIC)
        with pytest.raises(VerificationError, match="no signature matches"):
            proven(headers=wire(genuine.replace("v1a,", "v1,")), secrets=PUBLIC)

    @pytest.mark.parametrize(
        "body", [None, 7, {"test": 2432232314}, ["x"], memoryview(b"x"), object()]
    )
    def test_a_body_that_was_parsed_already_is_refused(self, body: Any) -> None:
        """
        The most frequent slip: writing JSON again gives other bytes.
        """
        with pytest.raises(VerificationError, match="before anything parses it"):
            proven(body)

    @pytest.mark.parametrize(
        "body", [b"\xff", b'{"a":"\xed\xa0\x80"}', "\udcff"], ids=ascii
    )
    def test_a_body_that_is_not_utf8_is_refused_even_if_signed(self, body: Any) -> None:
        """
        No event of ours is, and nothing downstream could read it.
        """
        raw = body if isinstance(body, bytes) else b"?"
        with pytest.raises(VerificationError, match="UTF-8"):
            proven(body, wire(signature.sign(ID, AT, raw, SECRET)))

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"null", b"3", b"{", b"ok=true", b"[" * 100_000, b"1" * 5000, b"{\0}"],
        ids=lambda body: ascii(body[:8]),
    )
    def test_a_proven_body_without_an_object_gives_an_empty_one(self, body: bytes) -> None:
        """
        Proof and content are two things: an empty body, correctly signed, is genuine.
        """
        assert proven(body, wire(signature.sign(ID, AT, body, SECRET))) == {}

    def test_text_and_bytes_of_one_body_are_the_same(self) -> None:
        """
        Some frameworks hand the body over as text.
        """
        headers = wire(signature.sign(ID, AT, UTF8_BODY, SECRET))
        assert proven(UTF8_BODY.decode(), headers) == json.loads(UTF8_BODY)
        assert proven(bytearray(UTF8_BODY), headers) == json.loads(UTF8_BODY)


ANY_TEXT = st.one_of(
    st.text(),
    st.text(st.characters(codec=None)),
    st.binary(max_size=80),
    st.none(),
    st.integers(),
    st.sampled_from(
        [GOOD, ID, str(AT), "v1,", "v1a,AAAA", "v1a,,", f"v1a,{BARE}", f"x {GOOD}"]
    ),
)
ANY_HEADERS = st.dictionaries(
    st.one_of(
        st.sampled_from(
            ["webhook-id", "Webhook-Timestamp", "webhook-signature", b"webhook-id"]
        ),
        st.text(max_size=3),
        st.none(),
    ),
    ANY_TEXT,
    max_size=6,
)
ANY_SECRETS = st.one_of(
    st.sampled_from([SECRET, PUBLIC, PRIVATE, BARE, "whsec_", "whpk_"]),
    st.text(),
    st.none(),
    st.lists(
        st.one_of(st.sampled_from([SECRET, PUBLIC, "whpk_AAAA"]), st.text(), st.none())
    ),
)


class TestArbitraryInput:
    @given(
        body=st.one_of(
            st.binary(),
            st.text(),
            st.text(st.characters(codec=None)),
            st.none(),
            st.just(BODY),
        ),
        headers=st.one_of(
            st.none(), ANY_HEADERS, ANY_HEADERS.map(lambda more: wire() | more)
        ),
        secrets=ANY_SECRETS,
    )
    def test_nothing_but_the_one_exception_is_ever_raised(
        self, body: Any, headers: Any, secrets: Any
    ) -> None:
        """
        A receiver with one `except` must not be brought down by what strangers post.
        """
        with contextlib.suppress(VerificationError):
            assert isinstance(signature.verify(body, headers, secrets, now=AT), dict)

    @given(
        body=st.text().map(str.encode),
        flip=st.integers(min_value=0),
        secrets=st.permutations([SECRET, OTHER]),
    )
    def test_one_changed_bit_is_noticed(
        self, body: bytes, flip: int, secrets: Sequence[str]
    ) -> None:
        """
        The signature covers every byte of the body.
        """
        sent = signature.headers(message_id=ID, sent_at=AT, body=body, secrets=secrets)
        assert signature.verify(body, sent, SECRET, now=AT) is not None
        changed = bytearray(body or b"x")
        changed[flip % len(changed)] ^= 1
        with pytest.raises(VerificationError):
            signature.verify(bytes(changed), sent, SECRET, now=AT)

    @given(headers=st.dictionaries(st.text(), st.text()))
    def test_headers_that_are_not_ours_do_not_disturb(
        self, headers: Mapping[str, str]
    ) -> None:
        """
        Proxies and tools add headers of their own.
        """
        ours = {"webhook-id", "webhook-timestamp", "webhook-signature"}
        more = {key: value for key, value in headers.items() if key.lower() not in ours}
        assert proven(headers={**more, **wire()})
