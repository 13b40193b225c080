"""The driver for PostgreSQL, which only those install who need it."""

from importlib.util import find_spec

from bridge.errors import ConfigError


def check_driver() -> None:
    """Raises ConfigError, with the fix, if it is not there."""
    if find_spec("asyncpg") is None:
        raise ConfigError(
            "database: postgresql:// needs asyncpg: pip install 'poll-bridge[postgres]'"
        )
