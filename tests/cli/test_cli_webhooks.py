"""`sign`, `verify` and `secret`: Standard Webhooks by hand."""

import time
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from bridge import signature
from bridge.development import minted
from tests.cli.commands import invoke, told
from tests.settings import ENOUGH, SIGNING_SECRET

BODY = b'{"type": "task.succeeded"}'
OTHER = signature.mint()
SECRET = ("--secret", SIGNING_SECRET)


def signed(body: bytes = BODY, **changes: object) -> list[str]:
    """Headers as options."""
    given = {"message_id": "msg_1", "sent_at": time.time(), "secrets": [SIGNING_SECRET]}
    headers = signature.headers(**{**given, "body": body, **changes})  # type: ignore[arg-type]
    return [each for name, value in headers.items() for each in ("-H", f"{name}: {value}")]


def test_what_is_signed_here_is_proven_by_another_library(tmp_path: Path) -> None:
    """People sign a body to try their own receiver."""
    (tmp_path / "body.json").write_bytes(BODY)
    headers = told("sign", "body.json", *SECRET)
    assert headers["webhook-id"].startswith("msg_")
    Webhook(SIGNING_SECRET).verify(BODY, headers)


def test_what_sign_writes_verify_reads(tmp_path: Path) -> None:
    """As curl does, from a file."""
    written = invoke("sign", *SECRET, stdin=BODY).stdout
    (tmp_path / "headers.txt").write_text(written)
    (tmp_path / "body.json").write_bytes(BODY)
    result = invoke("verify", "body.json", "-H", "@headers.txt", *SECRET)
    assert (result.exit_code, result.stdout) == (0, "proven\n")


def test_the_same_input_gives_the_same_signature() -> None:
    """For whoever compares with their own code, byte by byte."""
    fixed = ("--id", "msg_1", "--timestamp", "1795608000")
    assert told("sign", *fixed, *SECRET, stdin=BODY) == signature.headers(
        message_id="msg_1", sent_at=1795608000, body=BODY, secrets=[SIGNING_SECRET]
    )


def test_several_secrets_sign_once_each() -> None:
    """While one is changed for another."""
    headers = told("sign", *SECRET, "--secret", OTHER, stdin=BODY)
    assert len(headers["webhook-signature"].split()) == 2
    listed = {"BRIDGE_SIGNING_SECRET": f"{SIGNING_SECRET},{OTHER}"}
    assert len(told("sign", stdin=BODY, env=listed)["webhook-signature"].split()) == 2


@pytest.mark.parametrize(
    ("body", "changes", "count", "why"),
    [
        (BODY + b" ", {}, None, "no signature matches"),
        (BODY + b"\r\n", {}, None, "the body ends in a line break that was not sent"),
        (BODY + b"x\n", {}, None, "no signature matches"),
        (BODY, {"sent_at": 1795608000}, None, "the timestamp is"),
        (BODY, {"secrets": [OTHER]}, None, "no signature matches"),
        (BODY, {}, 2, "webhook-timestamp is missing"),
    ],
)
def test_what_is_not_proven_has_a_reason(
    body: bytes, changes: dict[str, object], count: int | None, why: str
) -> None:
    """The reason is why anybody runs it."""
    options = signed(BODY, **changes)[:count]  # now: it is refused when it is old
    result = invoke("verify", *options, *SECRET, stdin=body)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"not proven: {why}" in result.stderr
    machine = told("verify", *options, *SECRET, stdin=body)
    assert (machine["verified"], why in machine["reason"]) == (False, True)


def test_recorded_webhooks_can_be_proven_later() -> None:
    """Logs are read the next day."""
    old = signed(sent_at=1795608000)
    assert told("verify", *old, *SECRET, "--any-age", stdin=BODY)["verified"]
    assert told("verify", *old, *SECRET, "--tolerance", "3000d", stdin=BODY)["verified"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("sign",), "no signing secret: give --secret, or set BRIDGE_SIGNING_SECRET"),
        (("sign", "--secret", "whsec_c2hvcnQ="), "a key of this kind has"),
        (("sign", "--secret", ""), "--secret: is empty"),
        (("sign", "--secret", "[not json"), "--secret: not a JSON list"),
        (("sign", *SECRET, "--id", "msg.1"), "a message id is printable"),
        (("sign", *SECRET, "nowhere.json"), "nowhere.json: cannot be read: No such file"),
        (("sign", *SECRET, "no\0where"), "cannot be read"),
        (("verify", *SECRET), "-H: give webhook-id"),
        (("verify", *SECRET, "-H", "webhook-id"), "-H: write it 'name: value'"),
        (("verify", *SECRET, "-H", "a: 1", "-H", "A: 2"), "-H: A is given twice"),
        (("verify", *SECRET, "-H", "@nowhere"), "nowhere: cannot be read"),
        (
            ("verify", *SECRET, "--tolerance", "soon"),
            "--tolerance: 'soon' is not a duration",
        ),
    ],
)
def test_what_cannot_be_used_is_named(args: tuple[str, ...], says: str) -> None:
    """Exit code 2: the webhook itself was not even looked at."""
    result = invoke(*args, stdin=BODY)
    assert (result.exit_code, says in result.stderr) == (2, True), result.stderr


def test_a_new_secret_is_alone_on_its_line() -> None:
    """BRIDGE_SIGNING_SECRET=$(poll-bridge secret new)"""
    result = invoke("secret", "new")
    secret = result.stdout.removesuffix("\n")
    assert f": {signature.text_of(secret)}\n" in result.stderr
    both = told("secret", "new")
    assert signature.text_of(both["secret"]) == both["text"]


def test_the_secrets_of_the_configuration_are_shown_in_both_forms(tmp_path: Path) -> None:
    """Some receivers take whsec_…, some only the text; some secrets are no text."""
    raw = "whsec_" + "AAECAwQF" * 4
    listed = {"BRIDGE_SIGNING_SECRET": f"{SIGNING_SECRET},{raw}"}
    shown = told("secret", "show", env=ENOUGH | listed)
    assert shown == [
        {
            "client": "default",
            "secret": SIGNING_SECRET,
            "text": "not-a-real-secret-but-long-enough",
        },
        {"client": "default", "secret": raw, "text": None},
    ]
    text = invoke("secret", "show", env=ENOUGH | listed).stdout
    assert "as text  not-a-real-secret-but-long-enough" in text
    assert "as text  (not text; use the whsec_ form)" in text
    assert ENOUGH["BRIDGE_API_KEY"] not in text


def test_the_secrets_of_development_are_shown_with_the_api_key(tmp_path: Path) -> None:
    """Of serve --dev, nothing else says what the key is."""
    made = minted(tmp_path)
    shown = invoke("secret", "show").stdout
    assert made.signing_secret in shown
    assert f"API key  {made.api_key}" in shown
    assert made.encryption_key not in shown
    assert invoke("secret", "show", "--api-key").stdout == f"{made.api_key}\n"
    assert told("sign", stdin=BODY)["webhook-signature"]
    [entry] = told("secret", "show")
    assert (entry["api_key"], entry["client"]) == (made.api_key, "default")
    assert told("secret", "show", "--api-key") == {"api_key": made.api_key}


def test_the_api_key_shown_is_the_one_in_effect(tmp_path: Path) -> None:
    """With another one in the environment the minted one is refused, pasted or not."""
    minted(tmp_path)
    env = {"BRIDGE_API_KEY": f"{ENOUGH['BRIDGE_API_KEY']},an-older-key-of-ours-1"}
    shown = invoke("secret", "show", "--api-key", env=env).stdout
    assert shown == f"{ENOUGH['BRIDGE_API_KEY']}\n"
    assert (
        f"API key  {ENOUGH['BRIDGE_API_KEY']}\n" in invoke("secret", "show", env=env).stdout
    )


def test_without_development_there_is_no_api_key_to_show(tmp_path: Path) -> None:
    """Those of a configuration are not for a terminal's history."""
    result = invoke("secret", "show", "--api-key", env=ENOUGH)
    assert (result.exit_code, "`serve --dev` makes it" in result.stderr) == (2, True)
    assert "api_key" not in told("secret", "show", env=ENOUGH)[0]


def test_a_faulty_configuration_is_not_passed_over(tmp_path: Path) -> None:
    """To sign with something else than the bridge does would prove nothing."""
    (tmp_path / "config.yaml").write_text("listen: nowhere")
    result = invoke("sign", stdin=BODY)
    assert (result.exit_code, "config.yaml:1: listen" in result.stderr) == (2, True)
    assert invoke("secret", "show", "--dev").exit_code == 2
