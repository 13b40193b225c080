"""Which bridge is asked, and with which key."""

from pathlib import Path

import pytest

from bridge.cli.exits import UsageFault
from bridge.cli.reaching import first_of, key_for, loopback, reached, url_given
from bridge.development import minted


def test_the_key_of_development_stays_on_this_machine(tmp_path: Path) -> None:
    """BRIDGE_URL may point at a bridge of somebody else's."""
    key = minted(tmp_path).api_key
    assert key_for("http://localhost:8080") == key
    assert key_for("http://[::1]:8080") == key
    with pytest.raises(UsageFault, match="no API key"):
        key_for("https://bridge.example.com")


def test_the_key_may_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is for the bridge itself in a container."""
    (tmp_path / "key").write_text("new-key,old-key\n")
    monkeypatch.setenv("BRIDGE_API_KEY_FILE", "key")
    assert key_for("https://bridge.example.com") == "new-key"
    monkeypatch.setenv("BRIDGE_API_KEY_FILE", "nowhere")
    with pytest.raises(UsageFault, match="BRIDGE_API_KEY_FILE: nowhere cannot be read"):
        key_for("https://bridge.example.com")


@pytest.mark.parametrize("given", ["", " ", "clé", "a\x00c", "[not json", "[]"])
def test_a_key_that_can_be_none_is_refused_before_it_is_sent(given: str) -> None:
    """It would fail as a header, with an error that explains nothing."""
    with pytest.raises(UsageFault):
        first_of(given)


@pytest.mark.parametrize(
    "given", ["bridge.example.com", "ftp://x", "http://u:p@x", "http://"]
)
def test_a_url_that_is_none_is_refused(given: str) -> None:
    """Curl takes a bare host; here the key goes with it."""
    with pytest.raises(UsageFault, match="--url or BRIDGE_URL"):
        url_given(given)


def test_given_places_and_keys_win(tmp_path: Path) -> None:
    """Over the files of this directory."""
    minted(tmp_path)
    api = reached("https://bridge.example.com/b", "key-of-mine")
    known = (api.url, vars(api)["_api_key"])
    assert known == ("https://bridge.example.com/b", "key-of-mine")
    assert reached(None, None).url == "http://127.0.0.1:8080"


def test_names_are_no_loopback_addresses() -> None:
    """Whatever they resolve to: that is somebody else's to decide."""
    assert not loopback("http://127.0.0.1.example.com")
    assert not loopback("http://10.0.0.1")
