"""Tensors and words in one file, in the safetensors format, under a seal that shows any change of a byte.

Everybody's safetensors readers open these files. The seal is the SHA-256 of the whole file, taken with zeros where the
seal itself stands: the first entry of the metadata. What a file claims is held against its size before any memory is
taken for it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from operator import index
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chainrule.ir.errors import FileError
from chainrule.train.files import refused, write_whole

Array = npt.NDArray[Any]

MOST_HEADER_BYTES = 16 << 20
_DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "<i2", "I32": "<i4", "I64": "<i8", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
_NAMES = {np.dtype(numpy): name for name, numpy in _DTYPES.items()}
_UNSEALED = b"0" * 64
_OPENING = b'{"__metadata__":{"sha256":"'
_BRACE = _OPENING[:2]
_SEAL = slice(8 + len(_OPENING), 8 + len(_OPENING) + len(_UNSEALED))
_PIECE_BYTES = 1 << 24
_LONGEST = 1 << 40  # dimension, even of a tensor without elements
_FOREIGN = {
    b"PK\x03\x04": "is a zip file, as torch.save writes them, with a pickle inside. A pickle can run any code when it "
    "is read, so none is",
    b"\x80": "is a pickle, whatever its name says. A pickle can run any code when it is read, so none is",
    b"\x93NUMPY": "is a NumPy file",
    b"\x89HDF": "is an HDF5 file",
}


class Sealed(NamedTuple):
    """What such a file holds."""

    tensors: dict[str, Array]
    words: dict[str, str]


# Writing --------------------------------------------------------------------------------------------------------------


def write_sealed(path: Path, tensors: Mapping[str, Array], words: Mapping[str, str], *, sync: bool = True) -> None:
    """Writes tensors by name, and words by name (safetensors' metadata), into one file, whole or not at all."""
    arrays = {name: _plain(array) for name, array in tensors.items()}
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))  # so that each is aligned to its numbers
    header = _header({name: arrays[name] for name in order}, words)
    pieces = [arrays[name].reshape(-1).view(np.uint8).data for name in order if arrays[name].size]
    seal = hashlib.sha256(header)
    for piece in pieces:
        seal.update(piece)
    header[_SEAL] = seal.hexdigest().encode()
    write_whole(path, [bytes(header), *pieces], sync=sync)


def _plain(array: Array) -> Array:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)


def _header(arrays: Mapping[str, Array], words: Mapping[str, str]) -> bytearray:
    entries: dict[str, Any] = {"__metadata__": {"sha256": _UNSEALED.decode(), **words}}
    end = 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        entries[name] = {"dtype": _NAMES[array.dtype], "shape": array.shape, "data_offsets": (begin, end)}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MOST_HEADER_BYTES:
        raise FileError(
            f"what describes the tensors takes {len(text):,} bytes; a file has room for {MOST_HEADER_BYTES:,} of them."
        )
    return bytearray(len(text).to_bytes(8, "little") + text)


# Reading --------------------------------------------------------------------------------------------------------------


def read_sealed(path: Path) -> Sealed:
    """What `write_sealed` wrote; FileError in one line if that is not what stands there, byte for byte."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            return _read(path, handle)
        finally:
            os.close(handle)
    except (OSError, MemoryError) as error:
        reason = error if isinstance(error, OSError) else OSError(0, "there is not enough memory for it")
        raise refused("read", path, reason) from error


def _read(path: Path, handle: int) -> Sealed:
    size = os.fstat(handle).st_size
    header = _read_header(path, handle, size)
    seal, header[_SEAL] = bytes(header[_SEAL]), _UNSEALED
    entries = _parsed(path, header[8:])
    words = entries.pop("__metadata__")
    layout = _layout(path, entries, size - len(header))
    data = _memory(path, size - len(header))
    found = hashlib.sha256(header)
    for begin in range(0, len(data), _PIECE_BYTES):
        piece = data.data[begin : begin + _PIECE_BYTES]
        _fill(handle, piece)
        found.update(piece)
    if found.hexdigest().encode() != seal:
        raise FileError(f"{path} is damaged: its checksum is not the one that was written with it.")
    return Sealed(
        {name: data[place].view(dtype).reshape(shape) for name, (dtype, shape, place) in layout.items()}, words
    )


def _read_header(path: Path, handle: int, size: int) -> bytearray:
    """The length of the description, and it."""
    begin = bytearray(min(size, 8 + len(_BRACE)))
    _fill(handle, memoryview(begin))
    start, described = begin[:8], begin[8:] == _BRACE
    for mark, kind in _FOREIGN.items():
        if start.startswith(mark) and not described:  # else they are a length
            raise FileError(f"{path} {kind}; a safetensors file written by chainrule is needed.")
    if size < 8:
        raise FileError(f"{path} is {f'cut off: it has {size} bytes' if size else 'empty'}.")
    length = int.from_bytes(start, "little")
    if length > size - 8:
        what = "is cut off" if described else "is no safetensors file, or is damaged"
        raise FileError(
            f"{path} {what}: it has {size:,} bytes, and its first eight say that a description of {length:,} bytes "
            "follows."
        )
    if length > MOST_HEADER_BYTES:
        raise FileError(
            f"{path} is damaged: its description would have {length:,} bytes ({MOST_HEADER_BYTES:,} at most)."
        )
    header = begin + bytearray(max(0, length - len(_BRACE)))
    _fill(handle, memoryview(header)[len(begin) :])
    header = header[: 8 + length]
    if len(header) < _SEAL.stop or bytes(header[8 : _SEAL.start]) != _OPENING:
        raise FileError(
            f"{path} was not written by chainrule, or is damaged: its checksum is missing. Tensors that another "
            "program saved are read by safetensors.numpy.load_file, and go into a model with load_state_dict."
        )
    return header


def _fill(handle: int, room: memoryview) -> None:
    """Reads as many bytes as there is room for; what a file lacks, that shrinks meanwhile, the checksum shows."""
    while room:
        piece = os.read(handle, len(room))
        if not piece:
            return
        room[: len(piece)] = piece
        room = room[len(piece) :]


def _parsed(path: Path, text: bytearray) -> dict[str, Any]:
    try:
        entries = json.loads(text.decode("utf8"))
        words = entries["__metadata__"]
        if isinstance(words, dict) and all(isinstance(word, str) for word in words.values()):
            return entries  # type: ignore[no-any-return]
    except (ValueError, RecursionError, TypeError, KeyError):
        pass
    raise FileError(f"{path} is damaged: its description cannot be read.")


def _layout(
    path: Path, entries: Mapping[str, Any], size: int
) -> dict[str, tuple[np.dtype[Any], tuple[int, ...], slice]]:
    """Where each tensor stands; together they must fill the file."""
    found = {}
    end = 0
    try:
        for name, entry in sorted(entries.items(), key=lambda item: tuple(item[1]["data_offsets"])):
            dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(map(index, entry["shape"]))
            begin, stop = map(index, entry["data_offsets"])
            if (
                not all(0 <= length < _LONGEST for length in shape)
                or begin != end
                or stop - begin != math.prod(shape) * dtype.itemsize
            ):
                raise ValueError(name)
            found[name] = dtype, shape, slice(begin, stop)
            end = stop
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is damaged: it misstates where its tensors are ({error}).") from None
    if end != size:
        raise FileError(
            f"{path} is {'cut off' if end > size else 'damaged'}: its tensors take {end:,} bytes, it has {size:,}."
        )
    return found


def _memory(path: Path, size: int) -> npt.NDArray[np.uint8]:
    """Memory for the tensors, unless the machine cannot have so much."""
    pages = os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    if pages > 0 and size > pages * os.sysconf("SC_PAGE_SIZE"):
        raise FileError(f"{path} has {size:,} bytes of tensors, more than this machine has memory.")
    return np.empty(size, np.uint8)
