"""Files that appear whole or not at all, and folders that one process at a time may write to.

Every call of the system goes through `os` (the methods of `Path` do too), so that tests can make each of them fail, or
kill the process before it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chainrule.ir.errors import FileError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

Bytes = bytes | memoryview
PART = ".part"  # what a file is called until it is whole: .<name>.<random>.part
LOCK = ".lock"
_TOGETHER_BYTES = 1 << 20  # small pieces are written with one call
_AT_ONCE_BYTES = 1 << 26  # Linux writes no more than 2 GB with one


def write_whole(path: Path, pieces: Sequence[Bytes], *, sync: bool = True) -> None:
    """Writes pieces to a temporary file beside `path`, has them on the disk, and then gives the file its name.

    Whoever opens `path` at whatever time finds the old file or the new one, even after a power failure. Without `sync`
    (milliseconds) this holds for a process that is killed, not for the power. FileError if the disk refuses: then the
    old file is as it was, and the temporary one is gone.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    try:
        try:
            _fill(part, pieces, sync)
            part.replace(path)
        except BaseException:  # Ctrl-C too
            part.unlink(missing_ok=True)
            raise
        if sync:
            sync_folder(path.parent)
    except OSError as error:
        raise refused("write", path, error) from error


def _fill(path: Path, pieces: Sequence[Bytes], sync: bool) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        for piece in gathered(pieces):
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(handle, rest[:_AT_ONCE_BYTES]) :]
        if sync:
            os.fsync(handle)
    finally:
        os.close(handle)


def gathered(pieces: Sequence[Bytes]) -> Iterator[Bytes]:
    """The same bytes, small pieces put together."""
    small: list[Bytes] = []
    size = 0
    for piece in pieces:
        if size + len(piece) > _TOGETHER_BYTES and small:
            yield b"".join(small)
            small, size = [], 0
        if len(piece) > _TOGETHER_BYTES:
            yield piece
        else:
            small.append(piece)
            size += len(piece)
    if small:
        yield b"".join(small)


def sync_folder(folder: Path) -> None:
    """Has the names of a folder on the disk. Windows has no such call."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Makes a folder, and those above it, if it is not there. FileError if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused("make the folder", folder, error) from error


def remove(path: Path) -> None:
    """Removes a file, if it is there. FileError if that cannot be."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise refused("remove", path, error) from error


def remove_parts(folder: Path) -> None:
    """Removes the temporary files of processes that were killed. For the one process that writes to the folder."""
    for part in folder.glob(f".*{PART}"):
        remove(part)


def refused(what: str, path: Path, error: OSError) -> FileError:
    """The error of what the system would not do."""
    reason = error.strerror or str(error) or type(error).__name__
    return FileError(f"cannot {what} {path}: {reason[:1].lower()}{reason[1:]}. {_repair(error)}")


def _repair(error: OSError) -> str:
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return "Choose a folder that you may write to."
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None), errno.EFBIG):
        return "Make room on the disk, or choose a folder on another one."
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return "Check the path."
    return "The disk may be damaged; choose a folder on another one."


# One process at a time ------------------------------------------------------------------------------------------------


class FolderLock:
    """Keeps other processes from writing to a folder, as long as it is held. The system frees it when a process dies.

    The file `.lock` holds the number of the process, for people; what counts is the system's lock on it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / LOCK
        self._handle: int | None = None

    def acquire(self) -> FolderLock:
        """Takes the lock; FileError if another process, or another run in this one, has it."""
        try:
            while self._handle is None:
                self._handle = self._locked()
            os.truncate(self._handle, 0)
            os.write(self._handle, str(os.getpid()).encode())
        except OSError as error:
            self.release()
            raise refused("lock", self.folder, error) from error
        return self

    def _locked(self) -> int | None:
        """A handle on the file with the lock; None if the file was removed in the meantime."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not lock(handle):
                raise FileError(f"{self.folder} is in use{self._by_whom()}. Wait until it is done, or stop it.")
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(handle).st_ino == self._path.stat().st_ino:
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        return None

    def _by_whom(self) -> str:
        try:
            number = self._path.read_text(encoding="ascii").strip()
        except (OSError, ValueError):  # Windows lets nobody read what is locked
            number = ""
        if not number.isdigit():
            return " by another process"
        return " by another run of this process" if int(number) == os.getpid() else f" by process {number}"

    def release(self) -> None:
        """Lets go of it. Doing so twice does no harm."""
        handle, self._handle = self._handle, None
        if handle is None:
            return
        with contextlib.suppress(OSError):  # while it is locked: who opens it from now on makes a new one
            self._path.unlink(missing_ok=True)
        os.close(handle)
        if sys.platform == "win32":  # which removes no open file, and none that another process has opened
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def __enter__(self) -> FolderLock:
        return self.acquire()

    def __exit__(self, *_: Any) -> None:
        self.release()


_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}  # some network file systems


def lock(handle: int) -> bool:
    """Locks an open file, if nobody else has. Where the file system knows no locks, all may."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if isinstance(error, BlockingIOError) or sys.platform == "win32":
            return False
        if error.errno not in _NO_LOCKS:
            raise
    return True
