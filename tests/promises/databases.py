"""Which database a promise is tried on: both, unless a test bears one of these marks."""

import pytest

# What happens to the file itself, as that its disk is full. `tests/store` has what may
# happen to a server.
one_file = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

# Who is alone has nobody to ask what time it is, and doubts its clock after a start. Nodes
# take the time from their database, and one whose clock is off does nothing.
one_clock = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

# Nothing of the database is at stake: what an answer means, when the next one is asked for,
# how names and sockets fail. Or it takes hundreds of turns, each of which costs PostgreSQL
# a dozen transactions, for what shorter tests show of it.
either = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
