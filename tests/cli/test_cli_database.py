"""`migrate`, `backup` and `rekey`, on real files, some of them in use."""

import sqlite3
import stat
from pathlib import Path

import pytest

from bridge.cli.backups import back_up
from bridge.cli.beside import Condition
from bridge.cli.exits import CommandFailed
from bridge.cli.files import condition_of, reading
from bridge.errors import StoreUnavailable
from bridge.store.copying import CopyFailed, write
from bridge.store.migrate import migrations
from tests.cli.commands import Bridge, invoke, locked, told
from tests.settings import ENCRYPTION_KEY, ENOUGH

LATEST = len(migrations())
NEW_KEY = "a-newer-encryption-key-for-tests-of-some-length"
BOTH = ENOUGH | {"BRIDGE_ENCRYPTION_KEYS": f"{NEW_KEY},{ENCRYPTION_KEY}"}
NEW = ENOUGH | {"BRIDGE_ENCRYPTION_KEYS": NEW_KEY}
HERE = {"BRIDGE_LISTEN": "127.0.0.1:0"}


def subscribed(url: str, task_id: str) -> str:
    """A subscription with a key, metadata and a callback: all that is kept sealed."""
    created = told(
        *(
            "subscribe",
            "amux",
            task_id,
            "--provider-key",
            "sk-secret",
            "--metadata",
            '{"a":1}',
        ),
        *("--callback-url", "http://127.0.0.1:9/hook"),
        env=ENOUGH | {"BRIDGE_URL": url},
    )
    return str(created["id"])


def test_migrate_makes_a_database_and_then_has_nothing_to_do() -> None:
    """Deployments run it before the new version starts, each time."""
    made = invoke("migrate", env=ENOUGH)
    assert made.stdout == f"the database has schema {LATEST} now; it had none\n"
    again = invoke("migrate", env=ENOUGH)
    assert again.stdout == f"nothing to do: the database has schema {LATEST}\n"
    assert told("migrate", env=ENOUGH) == {"schema_before": LATEST, "schema": LATEST}


def test_a_backup_of_a_bridge_at_work_is_a_bridge_of_that_moment(tmp_path: Path) -> None:
    """The one test of a backup that counts: start on it."""
    allowed = {"BRIDGE_CALLBACKS__ALLOW_NETWORKS": "127.0.0.0/8"}
    with Bridge(tmp_path, **ENOUGH, **HERE, **allowed) as bridge:
        known = subscribed(bridge.url, "t1")
        assert invoke("backup", "copy.db", env=ENOUGH).exit_code == 0
        later = subscribed(bridge.url, "t2")
    copied = {"BRIDGE_DATABASE": "sqlite:///copy.db"}
    with Bridge(tmp_path, **ENOUGH, **HERE, **allowed, **copied) as bridge:
        env = ENOUGH | {"BRIDGE_URL": bridge.url}
        assert told("show", known, env=env)["metadata"] == {"a": 1}
        assert invoke("show", later, env=env).exit_code == 1


def test_a_backup_is_for_its_owner_and_leaves_nothing_else(tmp_path: Path) -> None:
    """What is sealed is safe, but task ids and clients are not."""
    invoke("migrate", env=ENOUGH)
    told_of = told("backup", "copy.db", env=ENOUGH)
    copied = tmp_path / "copy.db"
    assert told_of == {"file": "copy.db", "bytes": copied.stat().st_size}
    assert stat.S_IMODE(copied.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir() if "copy" in each.name] == ["copy.db"]


def test_a_backup_replaces_nothing_unless_told(tmp_path: Path) -> None:
    """Yesterday's backup may be the good one."""
    invoke("migrate", env=ENOUGH)
    (tmp_path / "copy.db").write_text("yesterday")
    refused = invoke("backup", "copy.db", env=ENOUGH)
    assert (refused.exit_code, "--force replaces it" in refused.stderr) == (2, True)
    assert (tmp_path / "copy.db").read_text() == "yesterday"
    assert invoke("backup", "copy.db", "--force", env=ENOUGH).exit_code == 0
    assert condition_of(tmp_path / "copy.db") is Condition.CURRENT
    itself = invoke("backup", "bridge.db", "--force", env=ENOUGH)
    assert (itself.exit_code, "is the database itself" in itself.stderr) == (2, True)


@pytest.mark.parametrize(
    ("database", "target", "code", "says"),
    [
        ("sqlite:///missing.db", "copy.db", 3, "missing.db: does not exist"),
        ("sqlite:///text.db", "copy.db", 3, "text.db: file is not a database"),
        ("sqlite:///bridge.db", "no/such/folder/copy.db", 2, "cannot be written: No such"),
        (
            "postgresql://db/bridge",
            "copy.db",
            2,
            "  pg_dump --format=custom --file=copy.db",
        ),
    ],
)
def test_a_backup_that_cannot_be_made_says_why(
    tmp_path: Path, database: str, target: str, code: int, says: str
) -> None:
    """And leaves no file that looks like one."""
    invoke("migrate", env=ENOUGH)
    (tmp_path / "text.db").write_text("not a database, but long enough to be looked at" * 9)
    before = set(tmp_path.iterdir())
    result = invoke("backup", target, env=ENOUGH | {"BRIDGE_DATABASE": database})
    assert (result.exit_code, says in result.stderr) == (code, True)
    assert set(tmp_path.iterdir()) == before


def test_a_damaged_database_is_not_passed_off_as_a_backup(tmp_path: Path) -> None:
    """Who finds out when restoring finds out too late."""
    damaged = tmp_path / "damaged.db"
    with sqlite3.connect(damaged) as connection:
        connection.execute("CREATE TABLE t (a TEXT, b TEXT)")
        connection.execute("CREATE INDEX i ON t (a)")
        connection.execute("INSERT INTO t VALUES ('here', 'x')")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t (b)' WHERE name = 'i'"
        )
    connection.close()
    with pytest.raises(CommandFailed, match="the copy is damaged"):
        back_up(damaged, tmp_path / "copy.db", replace=False)
    assert [each.name for each in tmp_path.iterdir()] == ["damaged.db"]


def test_a_disk_that_takes_no_copy_is_told(tmp_path: Path) -> None:
    """SQLite's own words, without a traceback."""
    invoke("migrate", env=ENOUGH)
    with (
        sqlite3.connect(tmp_path / "bridge.db") as origin,
        pytest.raises(CopyFailed, match="the copy failed: unable to open"),
    ):
        write(origin, tmp_path / "nowhere" / "copy.db")
    origin.close()


def test_a_database_is_looked_at_without_being_made(tmp_path: Path) -> None:
    """A look as root would otherwise leave a file that the service cannot open."""
    assert condition_of(tmp_path / "new.db") is Condition.MISSING
    (tmp_path / "empty.db").touch()
    assert condition_of(tmp_path / "empty.db") is Condition.OLD
    with pytest.raises(StoreUnavailable, match="its directory is missing"):
        condition_of(tmp_path / "nowhere" / "new.db")
    with (
        pytest.raises(StoreUnavailable, match="readonly database"),
        reading(tmp_path / "empty.db") as connection,
    ):
        connection.execute("CREATE TABLE t (a)")


def test_after_a_rekey_the_old_key_is_needed_no_more(tmp_path: Path) -> None:
    """Otherwise taking it out of the configuration loses what was promised."""
    allowed = {"BRIDGE_CALLBACKS__ALLOW_NETWORKS": "127.0.0.0/8"}
    with Bridge(tmp_path, **ENOUGH, **HERE, **allowed) as bridge:
        known = subscribed(bridge.url, "t1")
        bridge.stop()
    missing = {"BRIDGE_DATABASE": "sqlite:///missing.db"}
    slip = invoke("rekey", env=BOTH | missing)
    assert (slip.exit_code, "missing.db: does not exist" in slip.stderr) == (3, True)
    assert not (tmp_path / "missing.db").exists()
    early = invoke("rekey", env=NEW)
    assert (early.exit_code, "sealed with a key" in early.stderr) == (3, True)
    assert told("rekey", env=BOTH)["resealed"] >= 3
    again = invoke("rekey", env=BOTH)
    assert again.stdout.startswith("0 values encrypted anew")
    with Bridge(tmp_path, **NEW, **HERE, **allowed) as bridge:
        env = NEW | {"BRIDGE_URL": bridge.url}
        assert told("show", known, env=env)["metadata"] == {"a": 1}


@pytest.mark.parametrize("command", ["migrate", "rekey"])
def test_what_needs_the_database_for_itself_says_so(tmp_path: Path, command: str) -> None:
    """Two writers with different keys would leave half of each."""
    invoke("migrate", env=ENOUGH)
    with locked(tmp_path / "bridge.db"):
        result = invoke(command, env=ENOUGH)
    assert (result.exit_code, "is in use by another" in result.stderr) == (3, True)
