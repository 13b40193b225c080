"""The least a configuration needs, and ways to load one in a test."""

import base64
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.config import Config, load
from bridge.errors import ConfigError

API_KEY = "an-api-key-for-tests-01"
SIGNING_SECRET = "whsec_" + base64.b64encode(b"not-a-real-secret-but-long-enough").decode()
ENCRYPTION_KEY = "an-encryption-key-for-tests-of-some-length"
SECRET = "sUp3rS3cretValue"

ENOUGH = {
    "BRIDGE_API_KEY": API_KEY,
    "BRIDGE_SIGNING_SECRET": SIGNING_SECRET,
    "BRIDGE_ENCRYPTION_KEYS": ENCRYPTION_KEY,
}
PRESETS = {"amux": True, "rong": True, "newapi": False, "sandbox": False}


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def loaded(
    folder: Path, environ: Mapping[str, str], flags: Mapping[str, object] | None = None
) -> Config:
    return load(flags or {}, environ, folder, presets=PRESETS)


def faults_of(
    folder: Path, environ: Mapping[str, str], flags: Mapping[str, object] | None = None
) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, environ, flags)
    return list(caught.value.faults)
