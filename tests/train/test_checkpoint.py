"""Checkpoints: what is written is read, and what is not what was written is found."""

from __future__ import annotations

import errno
import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from chainrule.ir.errors import FileError
from chainrule.train import checkpoint
from chainrule.train.sealed import MOST_HEADER_BYTES, read_sealed, write_sealed

TENSORS: dict[str, Any] = {
    "weight": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "step": np.array(3, np.int64),
    "mask": np.array([True, False, True]),
    "nothing": np.zeros((0, 4)),
    "byte": np.arange(5, dtype=np.int8),
    "double": np.array([np.pi, -np.inf, np.nan]),
}
META = {"epoch": 2, "best": float("inf"), "loss": 0.1 + 0.2, "name": "größer"}


def assert_same(found: dict[str, Any]) -> None:
    assert set(found) == set(TENSORS)
    for name, array in TENSORS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = checkpoint.write(tmp_path / "checkpoints", 7, TENSORS, META)
    found = checkpoint.latest(tmp_path / "checkpoints")
    assert found is not None
    assert_same(found.tensors)
    assert (found.path, found.step, found.meta, found.notes) == (path, 7, META, ())


def test_other_readers_of_safetensors_open_it(tmp_path: Path) -> None:
    assert_same(load_file(checkpoint.write(tmp_path, 7, TENSORS, META)))


def test_the_newest_is_taken(tmp_path: Path) -> None:
    for step in (9, 10, 100_000_000, 99_999_999):
        checkpoint.write(tmp_path, step, TENSORS, {"n": step})
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.meta == {"n": 100_000_000}


def test_a_folder_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path) is None
    assert checkpoint.latest(tmp_path / "missing") is None


def test_the_others_are_removed(tmp_path: Path) -> None:
    for step in range(4):
        checkpoint.write(tmp_path, step, TENSORS, META)
    (tmp_path / "notes.txt").write_text("mine")
    checkpoint.prune(tmp_path, {2, 3})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "notes.txt",
        "step-00000002.safetensors",
        "step-00000003.safetensors",
    ]


# Damage


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder of two checkpoints."""
    for step in (1, 2):
        checkpoint.write(tmp_path, step, TENSORS, {"n": step})
    return tmp_path


def damaged(folder: Path, data: bytes) -> None:
    """Asserts that the newest checkpoint, with these bytes, is passed over with a note."""
    path = folder / "step-00000002.safetensors"
    path.write_bytes(data)
    found = checkpoint.latest(folder)
    assert found is not None
    assert found.meta == {"n": 1}, "damage was not found"
    assert len(found.notes) == 1
    assert str(path) in found.notes[0]
    assert found.notes[0].endswith("The checkpoint before it is used.")
    assert "\n" not in found.notes[0]


def test_any_flipped_byte_is_found(two: Path) -> None:
    whole = (two / "step-00000002.safetensors").read_bytes()
    chance = random.Random(0)
    for position in range(len(whole)):
        flip = chance.choice([1, 2, 4, 8, 16, 32, 64, 128, 255])
        damaged(two, whole[:position] + bytes([whole[position] ^ flip]) + whole[position + 1 :])


def test_any_cut_is_found(two: Path) -> None:
    whole = (two / "step-00000002.safetensors").read_bytes()
    for length in range(0, len(whole), 7):
        damaged(two, whole[:length])
    damaged(two, whole + b"\0")


def test_exchanged_checkpoints_are_found(two: Path) -> None:
    damaged(two, (two / "step-00000001.safetensors").read_bytes())


def test_nothing_but_damage_is_an_error(two: Path) -> None:
    for path in two.iterdir():
        path.write_bytes(b"")
    with pytest.raises(
        FileError,
        match=r"no checkpoint in .* can be read, so the run must begin anew.*00002.* is empty.*00001.* is empty",
    ):
        checkpoint.latest(two)


def test_another_format_is_named(two: Path) -> None:
    path = two / "step-00000002.safetensors"
    write_sealed(path, TENSORS, {"format": "chainrule checkpoint 9", "meta": "{}"})
    found = checkpoint.latest(two)
    assert found is not None
    assert "has format 'chainrule checkpoint 9'; this version reads 'chainrule checkpoint 1'" in found.notes[0]


# Files that are no checkpoints, or claim what they do not have


def header(description: Any, length: int | None = None) -> bytes:
    text = description if isinstance(description, bytes) else json.dumps(description).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text


def sealed(tensors: dict[str, Any]) -> bytes:
    return header(json.dumps({"__metadata__": {"sha256": "0" * 64}, **tensors}, separators=(",", ":")).encode())


def entry(shape: Any, begin: Any, end: Any, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"abc", "is cut off: it has 3 bytes"),
        (b"\x80\x04\x95rest of a pickle", "is a pickle, whatever its name says"),
        (b"\x80\x04\0\0\0\0\0\0" + b'{"__metadata__"', "is cut off: it has 23 bytes"),
        (b"\x02\0\0\0\0\0\0\0{}", "was not written by chainrule"),
        (b"\x01\0\0\0\0\0\0\0{}", "was not written by chainrule"),
        (b"\0" * 8, "was not written by chainrule"),
        (b"PK\x03\x04rest of a zip file", r"torch\.save"),
        (b"\x93NUMPY\x01\x00 rest", "is a NumPy file"),
        (b"\x89HDF\r\n\x1a\n rest", "is an HDF5 file"),
        (header({}, 1 << 62), "a description of 4,611,686,018,427,387,904 bytes follows"),
        (b"target,weight\n1,2\n" * 9, "is no safetensors file, or is damaged"),
        (header({"a": entry([1], 0, 4)}) + b"1234" * 30, "was not written by chainrule"),
        (sealed({"a": entry([10**12], 0, 4 * 10**12)}), "is cut off: its tensors take 4,000,000,000,000 bytes"),
        (sealed({"a": entry([10**200, 0], 0, 0)}), "misstates"),
        (sealed({"a": entry([-1, -4], 0, 16)}) + b"x" * 16, "misstates"),
        (sealed({"a": entry([4], 0, 16), "b": entry([4], 0, 16)}) + b"x" * 16, "misstates"),
        (sealed({"a": entry([4], 16, 32)}) + b"x" * 32, "misstates"),
        (sealed({"a": entry([4.0], 0, 16)}) + b"x" * 16, "misstates"),
        (sealed({"a": entry("4", 0, 16)}) + b"x" * 16, "misstates"),
        (sealed({"a": entry([4], 0, 16, "F7")}) + b"x" * 16, "misstates"),
        (sealed({"a": entry([4], 0, 16, ["F32"])}) + b"x" * 16, "misstates"),
        (sealed({"a": 5}), "misstates"),
        (sealed({"a": entry([4], 0, 16)}) + b"x" * 16, "checksum"),
        (header(b'{"__metadata__":{"sha256":"' + b"[" * 100_000), "cannot be read"),
        (header(b'{"__metadata__":{"sha256":"' + b"0" * 64 + b'","a":' + b"[" * 100_000), "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_said_in_a_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(FileError, match=message) as caught:
        read_sealed(path)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message


def test_a_description_larger_than_any_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write((MOST_HEADER_BYTES + 8).to_bytes(8, "little"))
        file.truncate(MOST_HEADER_BYTES + 100)
    with pytest.raises(FileError, match=r"its description would have 16,777,224 bytes \(16,777,216 at most\)"):
        read_sealed(path)


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="the machine does not tell its memory")
def test_more_tensors_than_the_machine_has_memory_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    start = sealed({"a": entry([1 << 39], 0, 1 << 41)})
    with path.open("wb") as file:
        file.write(start)
        try:
            file.truncate(len(start) + (1 << 41))
        except OSError:
            pytest.skip("the file system has no files of two terabytes")
    with pytest.raises(FileError, match="more than this machine has memory"):
        read_sealed(path)


def test_a_missing_file_and_a_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"cannot read .*: no such file or directory\. Check the path"):
        read_sealed(tmp_path / "missing.safetensors")
    with pytest.raises(FileError, match="cannot read"):
        read_sealed(tmp_path)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOMEM])
def test_a_disk_that_cannot_be_read_is_said(two: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fail(*_: Any) -> bytes:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(FileError, match="cannot read"):
        read_sealed(two / "step-00000001.safetensors")
