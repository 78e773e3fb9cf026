import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chainrule.backends.native import cache as cache_module
from chainrule.backends.native.cache import Cache, default_folder, key_of

KEY = key_of("a")
posix = pytest.mark.skipif(sys.platform == "win32", reason="tells what POSIX does")


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_put_is_got(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new" / "folder")
    assert cache.get(KEY) is None
    for data in (b"", b"x" * 100_000, b"other"):
        cache.put(KEY, data)
        assert cache.get(KEY) == data
        assert Cache(tmp_path / "new" / "folder").get(KEY) == data
    assert cache.get(key_of("b")) is None


def test_keys_tell_the_parts_apart() -> None:
    keys = {key_of(), key_of(""), key_of("ab"), key_of("a", "b"), key_of("b", "a"), key_of("", "ab")}
    assert len(keys) == 6


@pytest.mark.parametrize("damage", ["nothing", "head", "half", "end", "bit", "longer", "other"])
def test_a_damaged_entry_is_not_there_and_can_be_replaced(tmp_path: Path, damage: str) -> None:
    cache = Cache(tmp_path)
    cache.put(KEY, bytes(range(256)))
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(
        {
            "nothing": b"",
            "head": whole[:10],
            "half": whole[: len(whole) // 2],
            "end": whole[:-1],
            "bit": whole[:-5] + bytes([whole[-5] ^ 4]) + whole[-4:],
            "longer": whole + b"\0",
            "other": b"\x80\x04" + whole[2:],
        }[damage]
    )
    assert cache.get(KEY) is None
    cache.put(KEY, b"new")
    assert cache.get(KEY) == b"new"


def test_the_oldest_entries_make_room(tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=10_000)
    keys = [key_of(str(k)) for k in range(8)]
    now = time.time()
    for k, key in enumerate(keys):
        cache.put(key, bytes([k]) * 2000)
        path = tmp_path / (key + ".bin")
        os.utime(path, (now - 100 + k, now - 100 + k))
    there = [k for k, key in enumerate(keys) if cache.get(key) is not None]
    assert there == [4, 5, 6, 7]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 10_000


def test_the_folder_is_looked_through_when_it_may_be_full_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, looks = Path.iterdir, [0]

    def counted(path: Path) -> Iterator[Path]:
        looks[0] += 1
        return iter(listed(path))

    monkeypatch.setattr(Path, "iterdir", counted)
    cache = Cache(tmp_path, max_bytes=100_000)
    for k in range(40):
        cache.put(key_of(str(k)), bytes(1000))
    assert looks == [1]
    for k in range(400):
        cache.put(key_of(str(k)), bytes(1000))
        assert sum(path.stat().st_size for path in listed(tmp_path)) <= 100_000
    assert looks[0] < 200


def test_an_entry_in_use_is_not_the_oldest(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put(KEY, b"x")
    (path,) = tmp_path.iterdir()
    for days, touched in [(2.0, True), (0.5, False)]:
        then = time.time() - days * 24 * 3600
        os.utime(path, (then, then))
        assert cache.get(KEY) == b"x"
        assert (path.stat().st_mtime > then + 10) is touched


def test_an_entry_beyond_the_bound_is_not_kept(tmp_path: Path) -> None:
    Cache(tmp_path, max_bytes=100).put(KEY, bytes(101))
    assert entries(tmp_path) == []


def test_parts_that_a_dead_process_left_are_removed(tmp_path: Path) -> None:
    old, new, foreign = (tmp_path / name for name in ("a.part", "b.part", "c.txt"))
    for path in (old, new, foreign):
        path.write_bytes(b"x")
    for path in (old, foreign):
        os.utime(path, (time.time() - 7200,) * 2)
    Cache(tmp_path).put(KEY, b"x")
    assert entries(tmp_path) == sorted([KEY + ".bin", "b.part", "c.txt"])


@pytest.mark.parametrize("where", ["none", "file", "under a file", "no such disk"])
def test_without_a_folder_nothing_is_kept_and_nothing_raises(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("x")
    folder = {
        "none": None,
        "file": tmp_path / "file",
        "under a file": tmp_path / "file" / "folder",
        "no such disk": Path("/proc/none/chainrule") if sys.platform == "linux" else tmp_path / "file" / "x",
    }[where]
    cache = Cache(folder)
    cache.put(KEY, b"x")
    assert cache.get(KEY) is None


@posix
def test_a_read_only_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path)
    cache.put(KEY, b"x")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")  # root may write anywhere, so no mode bits

    for name in ("utime", "replace"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    (path,) = tmp_path.iterdir()
    monkeypatch.setattr(cache_module, "_DAY_SECONDS", -1)
    cache.put(key_of("b"), b"y")
    assert cache.get(KEY) == b"x"
    assert cache.get(key_of("b")) is None
    assert path.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_keeps_nothing_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path)
    cache.put(KEY, b"x")
    real = tempfile.mkstemp

    def on_full_disk(suffix: str, *, dir: Path) -> tuple[int, str]:
        handle, name = real(suffix, dir=dir)
        os.close(handle)
        return os.open("/dev/full", os.O_WRONLY), name

    monkeypatch.setattr(tempfile, "mkstemp", on_full_disk)
    cache.put(key_of("b"), bytes(1 << 20))
    assert cache.get(key_of("b")) is None
    assert cache.get(KEY) == b"x"
    assert entries(tmp_path) == [KEY + ".bin"]


@posix
def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put(KEY, b"x")
    tmp_path.chmod(0o777)
    assert cache.get(KEY) is None
    cache.put(key_of("b"), b"y")
    tmp_path.chmod(0o755)
    assert cache.get(KEY) == b"x"
    assert cache.get(key_of("b")) is None


def _hammer(folder: Path, seed: int) -> None:
    cache = Cache(folder, max_bytes=40_000)
    for k in range(100):
        name = str((seed + k) % 12)
        found = cache.get(key_of(name))
        assert found is None or found == name.encode() * 5000
        cache.put(key_of(name), name.encode() * 5000)


def test_processes_share_a_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_hammer, args=(tmp_path, seed)) for seed in (0, 5)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    assert all(name.endswith(".bin") for name in entries(tmp_path))


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="XDG's convention")
def test_the_folder_is_where_the_platform_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "chainrule"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_folder() == Path("/home/someone/.cache/chainrule")


def test_without_a_home_there_is_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(Path, "home", none)
    assert default_folder() is None
