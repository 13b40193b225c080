"""Settings that are secret: what makes each strong enough, and usable.

No message here quotes the value.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from bridge import signature
from bridge.config.fields import Listed, web_url
from bridge.errors import RequestError
from bridge.receivers import callback

MIN_API_KEY, MIN_ENCRYPTION_KEY, MAX_SECRET = 16, 32, 1024
POSTGRES = re.compile(r"postgres(ql)?://\S+")
CREDENTIALS = r"([A-Za-z0-9._~!$&'()*+,;=%-]+(:[A-Za-z0-9._~!$&'()*+,;=%-]*)?)?"
MIN_DIFFERENT = 6  # letters: "xxxxxxxxxxxxxxxx" is a placeholder, not a secret


def _secret(least: int) -> AfterValidator:
    """Long enough not to be guessed, and made of what survives a header and a shell."""

    def check(given: SecretStr) -> SecretStr:
        text = given.get_secret_value()
        if not least <= len(text) <= MAX_SECRET:
            raise ValueError(
                f"must have {least} to {MAX_SECRET} characters, not {len(text)}"
            )
        if not re.fullmatch("[!-~]*", text, re.ASCII):
            raise ValueError("must be ASCII without spaces, quotes around it or line ends")
        if len(set(text)) < MIN_DIFFERENT:
            raise ValueError("too regular to be a secret; draw a random one")
        return given

    return AfterValidator(check)


def _provider_key(given: SecretStr) -> SecretStr:
    text = given.get_secret_value()
    if not re.fullmatch("[ -~]{1,4096}", text, re.ASCII) or text.strip() != text:
        raise ValueError("must be one line of up to 4096 ASCII characters")
    return given


def _signing(given: SecretStr) -> SecretStr:
    try:
        signature.key_bytes(given.get_secret_value())
    except ValueError as error:
        raise ValueError(f"{error}; `poll-bridge secret new` makes one") from None
    return given


def _callback_url(given: SecretStr) -> SecretStr:
    url = web_url(given.get_secret_value(), query=True)
    try:
        callback.destination(url, {}, https_only=False)
    except RequestError as error:
        raise ValueError("; ".join(fault.message for fault in error.errors)) from None
    return given


def _proxy_url(given: SecretStr) -> SecretStr:
    url = given.get_secret_value()
    scheme, _, rest = url.partition("://")
    credentials, _, place = rest.rpartition("@")
    try:
        web_url(f"{scheme}://{place}", query=False)
    except ValueError:
        place = "/"
    if not re.fullmatch("[^/?#@]+/?", place) or not re.fullmatch(CREDENTIALS, credentials):
        raise ValueError(
            'write "http://user:password@proxy:3128", or https://; percent-encode what is '
            "no letter or digit in user and password"
        )
    return SecretStr(url.rstrip("/"))


def _postgres_url(given: SecretStr) -> SecretStr:
    if not POSTGRES.fullmatch(given.get_secret_value()):
        raise ValueError('write "postgresql://user:password@host/database"')
    return given


def _database_url(given: SecretStr) -> SecretStr:
    url = given.get_secret_value()
    if POSTGRES.fullmatch(url):
        return given
    path = re.fullmatch(r"sqlite:///([^?#]+)", url)
    if path is None:
        raise ValueError(
            'write "sqlite:///bridge.db", or "postgresql://user:password@host/database"'
        )
    if ":memory:" in path[1]:
        raise ValueError("a database in memory would lose what a 202 promised; name a file")
    return given


_ApiKey = Annotated[SecretStr, _secret(MIN_API_KEY)]
_EncryptionKey = Annotated[SecretStr, _secret(MIN_ENCRYPTION_KEY)]
_SigningSecret = Annotated[SecretStr, AfterValidator(_signing)]
_Some = Field(min_length=1)

ApiKeys = Annotated[tuple[_ApiKey, ...], Listed, _Some]
EncryptionKeys = Annotated[tuple[_EncryptionKey, ...], Listed, _Some]
SigningSecrets = Annotated[tuple[_SigningSecret, ...], Listed, _Some]
ProviderKey = Annotated[SecretStr, AfterValidator(_provider_key)]
CallbackUrl = Annotated[SecretStr, AfterValidator(_callback_url)]
ProxyUrl = Annotated[SecretStr, AfterValidator(_proxy_url)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
