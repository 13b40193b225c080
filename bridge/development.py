"""`serve --dev`: everything there is, on this machine only, without a configuration file.

The secrets are minted once into `bridge.secrets.yaml` in the working directory, so that
the database of yesterday still opens and the flow that was pasted together still works.
"""

import os
import secrets as dice
import stat
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge import signature
from bridge.config import Config, built_in
from bridge.config.document import parsed
from bridge.config.environment import from_environ, from_flags
from bridge.config.loading import PageCheck, settled, unchecked
from bridge.config.presets import SANDBOX
from bridge.config.tree import Tree
from bridge.errors import ConfigError

FILE = "bridge.secrets.yaml"
PORT = "8080"
LOOPBACK_HOSTS = ("localhost",)
LOOPBACK_NETWORKS = ("127.0.0.0/8", "::1/128")

Choice = Callable[[str], str]

_BASE62 = string.ascii_letters + string.digits
_KEYS = ("api_key", "signing_secret", "encryption_key")
_AGAIN = "delete it to have new ones minted (what is encrypted with these is lost then)"
_HEADING = """\
# Secrets of `poll-bridge serve --dev` in this directory. Not for production, not for git.
# What bridge.db keeps encrypted opens only with this encryption key.
"""
_PLAIN_FILE = os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopmentSecrets:
    """What `poll-bridge secret show` shows."""

    api_key: str = field(repr=False)
    signing_secret: str = field(repr=False)
    encryption_key: str = field(repr=False)


def development(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    cwd: Path,
    *,
    choice: Choice = dice.choice,
    pages: PageCheck = unchecked,
    presets: Mapping[str, bool] | None = None,
) -> Config:
    """The configuration of `serve --dev`. Flags and BRIDGE_… variables still count.

    No configuration file is read. `pages` and `presets` as in `load`. Raises ConfigError.
    """
    if flags.get("config"):
        raise ConfigError("--config: does not go with --dev, which takes no file")
    presets = built_in() if presets is None else presets
    local = {name: value for name, value in environ.items() if name != "PORT"}
    below = _defaults(minted(cwd, choice), presets, environ.get("PORT") or PORT)
    above = from_environ(local, below, presets)
    return settled(from_flags(flags).over(above.over(below)), presets, pages)


def minted(cwd: Path, choice: Choice = dice.choice) -> DevelopmentSecrets:
    """The secrets in the working directory; drawn now if there are none yet.

    Raises ConfigError.
    """
    path = cwd / FILE
    try:
        # O_EXCL also refuses a symlink that somebody left in a shared directory.
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN_FILE, 0o600
        )
    except FileExistsError:
        return kept(cwd)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
    fresh = _drawn(choice)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(_HEADING)
        file.writelines(f"{key}: {getattr(fresh, key)}\n" for key in _KEYS)
        file.flush()
        os.fsync(file.fileno())
    return fresh


def kept(cwd: Path) -> DevelopmentSecrets:
    """The secrets minted earlier.

    Raises ConfigError if there are none, or if the file is not ours alone: whoever else
    wrote or reads it knows them.
    """
    path = cwd / FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _PLAIN_FILE)
    except FileNotFoundError:
        raise ConfigError(f"{path}: does not exist; `serve --dev` makes it") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be opened: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        _refuse_shared(os.fstat(file.fileno()), path)
        tree = parsed(file.read(_MAX_BYTES), {}, folder=cwd, shown=FILE)
    given = [tree.values.get(key) for key in _KEYS]
    if tree.faults or not all(isinstance(value, str) for value in given):
        raise ConfigError(f"{path}: not as it was written; {_AGAIN}")
    return DevelopmentSecrets(**dict(zip(_KEYS, map(str, given), strict=True)))


def _refuse_shared(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path}: not a regular file; remove it")
    if found.st_uid != os.geteuid():
        raise ConfigError(f"{path}: belongs to another user, who may know it; {_AGAIN}")
    if found.st_mode & 0o077:
        raise ConfigError(f"{path}: open to others; `chmod 600 {path}`, or {_AGAIN}")


def _drawn(choice: Choice) -> DevelopmentSecrets:
    def letters(count: int) -> str:
        return "".join(choice(_BASE62) for _ in range(count))

    return DevelopmentSecrets(
        api_key=f"dev_{letters(32)}",
        signing_secret=signature.mint(choice),
        encryption_key=letters(43),
    )


def _defaults(minted: DevelopmentSecrets, presets: Mapping[str, bool], port: str) -> Tree:
    """What `--dev` assumes, below environment and flags."""
    tree = Tree("--dev")
    client = {
        "api_keys": [minted.api_key],
        "signing_secrets": [minted.signing_secret],
        "role": "operator",
    }
    complete = [name for name, is_complete in presets.items() if is_complete]
    if port != PORT:
        tree.origins["listen",] = "PORT"
    tree.values = {
        "listen": f"127.0.0.1:{port}",
        "encryption_keys": [minted.encryption_key],
        "clients": {"default": client},
        "providers": {name: {} for name in [*complete, SANDBOX]},
        "callbacks": {
            "allow_hosts": list(LOOPBACK_HOSTS),
            "allow_networks": list(LOOPBACK_NETWORKS),
        },
    }
    return tree
