"""What is sealed opens where it was sealed, under a key we hold, and nowhere else."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import SealBroken
from bridge.vault import OVERHEAD, Fingerprints, Vault

OLD, NEW = "an older encryption key, 32 letters", "a newer encryption key, 32 letters"
COLLIDING = [f"poll-bridge collision test key {n}" for n in ("007981", "079371")]
PLACE = "credential.key"

VAULT = Vault([NEW])  # deriving keys is the slow part; the properties share this one
PRINTS = Fingerprints(bytes(range(32)))


@given(st.binary(max_size=300), st.text(max_size=20).filter(str.isprintable))
def test_what_is_sealed_opens_again(plain: bytes, place: str) -> None:
    """
    Nothing is lost, whatever the bytes are, and the cost in size is known.
    """
    sealed = VAULT.seal(plain, place)
    assert len(sealed) == len(plain) + OVERHEAD
    assert VAULT.open(sealed, place) == plain


def test_two_seals_of_one_value_differ() -> None:
    """
    Equal ciphertexts would tell a reader of the database who shares a key.
    """
    assert VAULT.seal(b"same", PLACE) != VAULT.seal(b"same", PLACE)


def test_no_part_of_the_plain_text_is_readable() -> None:
    """
    The reason for all this.
    """
    assert b"sk-secret" not in VAULT.seal(b"sk-secret-of-a-provider", PLACE)


@pytest.mark.parametrize("bit", [1, 0x80])
def test_every_byte_is_protected(bit: int) -> None:
    """
    Version, key id, nonce, text and tag: a change anywhere is noticed.
    """
    sealed = VAULT.seal(b"sk-secret", PLACE)
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= bit
        with pytest.raises(SealBroken):
            VAULT.open(bytes(changed), PLACE)


def test_every_truncation_and_any_addition_is_refused() -> None:
    """
    A database that lost the end of a row must not yield half a key.
    """
    sealed = VAULT.seal(b"sk-secret", PLACE)
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            VAULT.open(sealed[:length], PLACE)
    with pytest.raises(SealBroken):
        VAULT.open(sealed + b"\0", PLACE)


def test_a_value_moved_to_another_place_does_not_open() -> None:
    """
    Who can write to the database cannot have a signing secret sent out as a URL.
    """
    sealed = VAULT.seal(b"whsec_", "subscription.signing_secrets")
    with pytest.raises(SealBroken, match="moved"):
        VAULT.open(sealed, "destination.url")


def test_an_older_key_still_opens_and_is_reported_as_stale() -> None:
    """
    Keys can be rotated while values sealed with the old one are still there.
    """
    sealed = Vault([OLD]).seal(b"kept", PLACE)
    rotated = Vault([NEW, OLD])
    assert rotated.open(sealed, PLACE) == b"kept"
    assert rotated.stale(sealed)
    assert not rotated.stale(rotated.seal(b"kept", PLACE))
    assert Vault([NEW]).open(rotated.seal(b"new", PLACE), PLACE) == b"new"


def test_a_key_that_was_taken_away_is_named_as_the_cause() -> None:
    """
    The operator who removed a key too early learns which setting to look at.
    """
    sealed = Vault([OLD]).seal(b"kept", PLACE)
    with pytest.raises(SealBroken, match="encryption_keys"):
        VAULT.open(sealed, PLACE)


def test_the_key_id_of_another_key_does_not_help() -> None:
    """
    Relabelling a value as sealed with a key we hold gains nothing.
    """
    both = Vault([NEW, OLD])
    sealed, other = Vault([OLD]).seal(b"kept", PLACE), VAULT.seal(b"", PLACE)
    with pytest.raises(SealBroken):
        both.open(other[:5] + sealed[5:], PLACE)


def test_a_vault_without_a_key_is_refused() -> None:
    """
    There is no mode that stores secrets in clear.
    """
    with pytest.raises(ValueError, match="at least one"):
        Vault([])


def test_one_key_given_twice_is_one_key() -> None:
    """
    A half-finished rotation is not an error.
    """
    assert Vault([NEW, NEW]).open(VAULT.seal(b"x", PLACE), PLACE) == b"x"


def test_two_keys_with_one_id_are_refused() -> None:
    """
    The second would hide the first, and what it sealed would be lost. (Found by search.)
    """
    with pytest.raises(ValueError, match="share an id"):
        Vault(COLLIDING)


def test_neither_key_nor_text_shows_in_repr() -> None:
    """
    Reprs end up in logs.
    """
    assert NEW not in repr(VAULT)
    assert NEW not in repr(vars(VAULT))


def test_threads_may_share_a_vault() -> None:
    """
    The store seals in its own thread while requests are fingerprinted in another.
    """

    def round_trips(thread: int) -> bool:
        values = [f"{thread}:{n}".encode() for n in range(500)]
        sealed = [VAULT.seal(value, PLACE) for value in values]
        prints = [PRINTS.of(value) for value in values]
        return [VAULT.open(each, PLACE) for each in sealed] == values and len(
            set(prints)
        ) == len(values)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(round_trips, range(8)))


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6)))
def test_fingerprints_are_equal_only_for_equal_parts(
    a: list[bytes], b: list[bytes]
) -> None:
    """
    A task id that ends in another one's beginning must not pass for it.
    """
    assert (PRINTS.of(*a) == PRINTS.of(*b)) == (a == b)
    assert len(PRINTS.of(*a)) == Fingerprints.SIZE


def test_fingerprints_need_the_key() -> None:
    """
    Without it nobody can try out provider keys against a stolen database.
    """
    assert PRINTS.of("sk-1") != Fingerprints(bytes(32)).of("sk-1")
    for length in (0, 15, 65):
        with pytest.raises(ValueError, match="16 to 64"):
            Fingerprints(bytes(length))


def test_a_lone_surrogate_is_fingerprinted_not_an_error() -> None:
    """
    JSON may carry one; the caller gets an answer, not a 500.
    """
    assert PRINTS.of("\ud800") != PRINTS.of("?")
