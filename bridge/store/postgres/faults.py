"""What an error of the database means for the step that has met it."""

import asyncpg

from bridge.errors import StoreUnavailable

ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)

# Classes of SQLSTATE: the connection, resources, the operator, the system, damage; and at
# the next connect after a change: the role, the database.
OUT_OF_ORDER = ("08", "53", "57", "58", "XX", "28", "3D")
TAKEN_BACK = "has been released back to the pool"  # asyncpg's word for a lost connection
READ_ONLY = "25006"  # a standby, a demoted primary, or a database that was made read-only
STOPPED = ("25P03", "25P04", "55P03")  # a time limit of the server's has passed
# Another transaction was in the way: a deadlock, or it wrote, or deleted, a row first.
RACES = ("40001", "40P01", "23505", "23503")


def code_of(error: Exception) -> str:
    """Its SQLSTATE, if the server has sent it."""
    if isinstance(error, asyncpg.PostgresError):
        return error.sqlstate or ""
    return ""


def lost(error: Exception) -> bool:
    """The database did not answer, or must not be written: nothing is known to be done."""
    if code := code_of(error):
        return code[:2] in OUT_OF_ORDER or code in (READ_ONLY, *STOPPED)
    return isinstance(error, ERRORS)


def elsewhere(error: Exception) -> bool:
    """The server that writes is to be looked for anew, by all connections."""
    if code := code_of(error):
        return code == READ_ONLY or code.startswith("57P")
    return lost(error)


def raced(error: Exception) -> bool:
    """The step is undone, and may succeed if it is run from its start."""
    return code_of(error) in RACES


def given_up(error: Exception) -> Exception:
    """What a race comes to that was lost again and again.

    Deadlocks are bad luck; a constraint that no repetition satisfies is a fault of ours.
    """
    return StoreUnavailable(told(error)) if code_of(error).startswith("40") else error


def told(error: Exception) -> str:
    """One line for people. A deadline that has passed says nothing by itself.

    >>> told(TimeoutError()), told(OSError("is starting up\\nDETAIL:  not consistent yet"))
    ('the database did not answer in time', 'is starting up')
    """
    if TAKEN_BACK in str(error):
        return "the connection was lost"
    return str(error).partition("\n")[0] or "the database did not answer in time"
