"""Bytes on disk under a key: object code, scheduled programs. What goes wrong there costs time, and nothing else.

An entry is a file that is written under another name and then renamed, so that another process sees all of it or
none. It begins with the length and the checksum of what follows: what does not fit them is not there.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

from chainrule.ir import state

_MAGIC = b"chainrule cache 1\n"
_HEADER = len(_MAGIC) + 8 + 32  # after it the length and the SHA-256
_ENTRY, _PART = ".bin", ".part"
_DAY_SECONDS = 24 * 3600
_SPARE = 16  # of a full cache this part is freed at once
_ABANDONED_SECONDS = 3600  # a part this old has lost its process


def default_folder() -> Path | None:
    """The user's folder for what can be made again, as the platform has it; None where there is no home.

    Environment variables are the platforms' way to tell it. This is the one place outside of the command line that
    reads any.
    """
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            told = Path(os.environ.get("XDG_CACHE_HOME", ""))
            base = told if told.is_absolute() else Path.home() / ".cache"  # the convention: a relative one is ignored
    except RuntimeError:
        return None
    return base / "chainrule"


def key_of(*parts: str) -> str:
    """A key of all that an entry depends on."""
    digest = hashlib.sha256()
    for part in parts:
        word = part.encode()
        digest.update(len(word).to_bytes(8, "little"))
        digest.update(word)
    return digest.hexdigest()


class Cache:
    """Bytes by key in a folder (None: nowhere), at most `max_bytes` of them: the longest unused make room.

    Nothing here raises because of the disk. Processes may share a folder.
    """

    def __init__(self, folder: Path | None, max_bytes: int = 256 << 20) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._unseen = 0  # bytes that may be put before the folder is looked through again

    def get(self, key: str) -> bytes | None:
        """What was put, or None. `key` is one of `key_of`."""
        if self._folder is None or not _is_ours(self._folder):
            return None
        path = self._folder / (key + _ENTRY)
        try:
            data = _unsealed(path.read_bytes())
        except OSError:
            return None
        with contextlib.suppress(OSError):
            if data is None:
                path.unlink()
            elif time.time() - path.stat().st_mtime > _DAY_SECONDS:
                os.utime(path)  # it is in use; once a day is enough to tell
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keeps a copy, if the disk lets it."""
        if self._folder is None or len(data) > self._max_bytes:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_ours(self._folder):
                _write(self._folder / (key + _ENTRY), _sealed(data))
                self._unseen -= _HEADER + len(data)
                if self._unseen < 0:
                    self._unseen = self._make_room(self._folder) // 2  # the other half is for other processes

    def _make_room(self, folder: Path) -> int:
        """Looks through the folder, which takes long if it is full; returns the bytes that are free."""
        entries = []
        for path in folder.iterdir():
            with contextlib.suppress(OSError):  # another process may have removed it
                found = path.stat()
                if path.suffix == _ENTRY:
                    entries.append((found.st_mtime, found.st_size, path))
                elif path.suffix == _PART and time.time() - found.st_mtime > _ABANDONED_SECONDS:
                    path.unlink()
        free = self._max_bytes - sum(size for _, size, _ in entries)
        wanted = self._max_bytes // _SPARE if free < 0 else 0
        for _, size, path in sorted(entries):
            if free >= wanted:
                break
            with contextlib.suppress(OSError):
                path.unlink()
            free += size
        return free


def user_cache() -> Cache:
    """The cache of all programs of this user, in another folder if one was set."""
    told = state.cache_folder()
    return _cache_in(default_folder() if told is None else Path(told))


@functools.cache
def _cache_in(folder: Path | None) -> Cache:
    return Cache(folder)


def _is_ours(folder: Path) -> bool:
    """Whether nobody else can put something here: what comes from here is run."""
    if sys.platform == "win32":
        return True  # the folder of a user is the user's alone
    try:
        found = folder.stat()
    except OSError:
        return False
    return found.st_uid == os.getuid() and not found.st_mode & 0o002


def _write(path: Path, data: bytes) -> None:
    handle, part = tempfile.mkstemp(_PART, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(part).replace(path)
    finally:
        Path(part).unlink(missing_ok=True)


def _sealed(data: bytes) -> bytes:
    return b"".join([_MAGIC, len(data).to_bytes(8, "little"), hashlib.sha256(data).digest(), data])


def _unsealed(entry: bytes) -> bytes | None:
    data = entry[_HEADER:]
    return data if entry == _sealed(data) else None
