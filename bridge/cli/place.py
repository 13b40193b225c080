"""Where the database of a configuration is: in a file, or on a server."""

from bridge.cli.beside import Beside
from bridge.config import Config, redacted
from bridge.store.driver import check_driver


def place_of(config: Config) -> Beside:
    """Raises ConfigError if what it takes is not installed."""
    if not config.shared:
        from bridge.cli.files import File, path_of

        return File(path_of(config))
    check_driver()
    from bridge.cli.servers import Server

    return Server(config.database.get_secret_value(), str(redacted(config)["database"]))
