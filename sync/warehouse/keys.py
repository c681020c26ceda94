"""Keep the key of the ledger's hashes in a file, and hold it against the one that a warehouse was written with.

With another key no query is known again: what a person decided would be asked anew, and the ledger could not be
proved. So each site's end of the chain carries a check value, and nothing is written under a key that does not give it.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from pathlib import Path
from threading import Lock
from typing import Protocol

import sqlalchemy as sa

from sync.errors import ConfigError, SyncError
from sync.warehouse.query_tables import chain_head

_SHORTEST = 32
"""Characters below which a file holds no key: one that was emptied or cut."""

_REMEDY = "put the key back from the backup of the warehouse, and run again"


class Key(Protocol):
    """Give the key of the ledger's hashes."""

    def read(self) -> bytes | None:
        """Read the key as it is kept now; None where none is."""
        ...

    def give(self) -> bytes:
        """Give the key to write with; where none is kept yet, a new one, which stays the same from then on."""
        ...

    def keep(self) -> None:
        """Keep the key that was given: to be called before what was written with it is kept."""
        ...


class GivenKey:
    """Hold a key that somebody else keeps."""

    def __init__(self, key: bytes) -> None:
        """Take the key."""
        self._key = key

    def read(self) -> bytes:
        """Give the key."""
        return self._key

    def give(self) -> bytes:
        """Give the key."""
        return self._key

    def keep(self) -> None:
        """Do nothing."""


class KeyFile:
    """Keep the key in a file of its owner's; made when something is first written with it. Threads may share it."""

    def __init__(self, path: Path) -> None:
        """Take the place; nothing is read or made yet."""
        self._path = path
        self._lock = Lock()
        self._given: bytes | None = None
        self._unkept: str | None = None

    def read(self) -> bytes | None:
        """Read the key, and make none; ConfigError where the file holds none."""
        try:
            text = self._path.read_bytes().strip()
        except FileNotFoundError:
            return None
        if len(text) < _SHORTEST:
            raise ConfigError([f"{self._path}: this file holds no key of a ledger, it is empty or cut; {_REMEDY}"])
        return hashlib.sha256(text).digest()

    def give(self) -> bytes:
        """Give the key; a new one, not kept yet, where there is no file."""
        with self._lock:
            if self._given is None:
                self._given = self.read()
            if self._given is None:
                self._unkept = secrets.token_hex(32)
                self._given = hashlib.sha256(self._unkept.encode("ascii")).digest()
            return self._given

    def keep(self) -> None:
        """Write a new key; SyncError where that cannot be, or another process was first with its own."""
        with self._lock:
            if self._unkept is None:
                return
            try:
                self._write(self._unkept)
            except FileExistsError:
                if self.read() != self._given:
                    self._given = self._unkept = None
                    raise SyncError(f"{self._path}: another run made the ledger's key meanwhile; run again") from None
            except OSError as error:
                reason = f"the ledger's key cannot be kept there ({error.strerror}); give this user the right to"
                raise SyncError(f"{self._path}: {reason}") from None
            self._unkept = None

    def _write(self, text: str) -> None:
        """Make the file whole and exclusively."""
        partial = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
        partial.touch(mode=0o600)
        try:
            partial.write_text(text, encoding="ascii")
            self._path.hardlink_to(partial)
        finally:
            partial.unlink()


def check_value(key: bytes) -> str:
    """Tell a key from others without telling it."""
    return hmac.new(key, b"syncline: key of the ledger", hashlib.sha256).hexdigest()


def used(connection: sa.Connection, site: str | None = None) -> frozenset[str]:
    """Read the check values of the keys that the ledger was written with, of one site or of all."""
    wanted = sa.select(chain_head.c.secret_digest).distinct()
    if site is not None:
        wanted = wanted.where(chain_head.c.site == site)
    return frozenset(connection.execute(wanted).scalars())


def refuse_other(key: bytes | None, known: Collection[str]) -> None:
    """Raise ConfigError where the ledger was written with another key than this one."""
    if key is None and known:
        raise ConfigError([f".syncline.key: missing beside the configuration, and this warehouse needs it; {_REMEDY}"])
    if key is not None and set(known) - {check_value(key)}:
        raise ConfigError([f".syncline.key: this warehouse's ledger was written with another key; {_REMEDY}"])
