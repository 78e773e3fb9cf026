"""Files appear whole or not at all; a folder has one writer."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chainrule.ir.errors import FileError
from chainrule.train.files import FolderLock, gathered, make_folder, remove_parts, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_pieces_stand_in_the_file_one_after_the_other(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", [b"a", memoryview(b"bc"), b"", b"d" * (3 << 20), b"e"])
    assert (tmp_path / "file").read_bytes() == b"abc" + b"d" * (3 << 20) + b"e"
    assert names(tmp_path) == ["file"]


def test_small_pieces_are_written_together() -> None:
    assert [len(piece) for piece in gathered([b"x"] * 1000 + [b"y" * (2 << 20)] + [b"z"])] == [1000, 2 << 20, 1]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
    write_whole(tmp_path / "file", [b"0123456789"])
    assert (tmp_path / "file").read_bytes() == b"0123456789"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("call", ["open", "write", "fsync", "close", "replace"])
def test_a_call_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    write_whole(tmp_path / "file", [b"old"])
    real = getattr(os, call)

    def fail(*args: Any, **kwargs: Any) -> Any:
        if call == "close":
            real(*args, **kwargs)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(FileError, match=f"cannot write .*file: {os.strerror(code).lower()[:8]}"):
        write_whole(tmp_path / "file", [b"new"])
    monkeypatch.undo()
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_an_interrupt_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", [b"new"])
    assert names(tmp_path) == []


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".model.safetensors.0a1b.part").write_bytes(b"half")
    (tmp_path / "mine.part").write_bytes(b"a user's")
    remove_parts(tmp_path)
    assert names(tmp_path) == ["mine.part"]


def test_a_file_in_the_way_of_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(FileError, match="cannot make the folder"):
        make_folder(tmp_path / "runs" / "digits-1")


# The lock


def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    with FolderLock(tmp_path), pytest.raises(FileError, match="is in use by another run of this process"):
        FolderLock(tmp_path).acquire()
    assert names(tmp_path) == []
    with FolderLock(tmp_path) as lock:
        lock.release()
        lock.release()


@pytest.mark.skipif(sys.platform == "win32", reason="the number of the process cannot be read there")
def test_who_has_the_folder_is_said_and_death_frees_it(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from chainrule.train.files import FolderLock; "
    code += "lock = FolderLock(Path(sys.argv[1])).acquire(); print('locked', flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "locked\n"
        with pytest.raises(FileError, match=f"is in use by process {child.pid}\\. Wait"):
            FolderLock(tmp_path).acquire()
        child.kill()
    with FolderLock(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())
    assert names(tmp_path) == []
