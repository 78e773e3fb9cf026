"""Reads data sets of an installed R package: its `data/Rdata.rdb`, without R.

The index `Rdata.rdx` names a place in `Rdata.rdb` for every data set. What stands there is R's serialisation (XDR,
described in "R Internals", section 1.8), of which this reads what data frames are made of, and nothing that would run.
"""

from __future__ import annotations

import gzip
import lzma
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# What the numbers of R's types stand for.
SYMBOL, PAIRS, CHARACTERS, LOGICAL, INTEGER, REAL, STRING, LIST = 1, 2, 9, 10, 13, 14, 16, 19
PERSISTENT, PACKAGE, ALTREP, NO_NAMESPACE, EMPTY, GLOBAL, REFERENCE, NULL = 247, 250, 238, 251, 242, 253, 255, 254
MISSING_INTEGER = -(2**31)


@dataclass
class Vector:
    """A vector or list with its attributes (names, levels, class, ...)."""

    values: list[Any]
    attributes: dict[str, Any] = field(default_factory=dict)


def read_data_set(folder: Path, name: str) -> dict[str, list[Any]]:
    """The columns of data set `name` in an R package's folder `data`; missing values are None, factors their levels."""
    index = Reader(gzip.decompress((folder / "Rdata.rdx").read_bytes())).read()
    places = dict(zip(index.attributes["names"].values, index.values, strict=True))["variables"]
    start, length = dict(zip(places.attributes["names"].values, places.values, strict=True))[name].values
    packed = (folder / "Rdata.rdb").read_bytes()[start : start + length]
    return columns_of(Reader(unpacked(packed)).read())


def unpacked(packed: bytes) -> bytes:
    """Four bytes of the length, then a letter for bzip2 or xz (none for zlib), then the compressed bytes."""
    if packed[4:5] == b"Z":
        return lzma.decompress(packed[5:], format=lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2}])
    return zlib.decompress(packed[4:])


def columns_of(frame: Vector) -> dict[str, list[Any]]:
    return {
        name: with_levels(column) for name, column in zip(frame.attributes["names"].values, frame.values, strict=True)
    }


def with_levels(column: Vector) -> list[Any]:
    levels = column.attributes.get("levels")
    if levels is None:
        return column.values
    return [None if code is None else levels.values[code - 1] for code in column.values]


class Reader:
    """One serialised object, from its bytes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.seen: list[Any] = []  # symbols and environments, which later places refer to by number
        if self.take(2) != b"X\n":
            raise ValueError("not R's XDR serialisation.")
        version, _, _ = self.integers(3)
        if version == 3:
            self.take(self.integer())  # the encoding's name

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.at:
            raise ValueError(f"the data end at byte {len(self.data)}; {count} more were needed at {self.at}.")
        self.at += count
        return self.data[self.at - count : self.at]

    def integers(self, count: int) -> tuple[int, ...]:
        return struct.unpack(f">{count}i", self.take(4 * count))

    def integer(self) -> int:
        return self.integers(1)[0]

    def read(self) -> Any:
        flags = self.integer()
        kind, has_attributes, has_tag = flags & 255, bool(flags & 512), bool(flags & 1024)
        if kind in {NULL, GLOBAL, EMPTY, NO_NAMESPACE}:
            return None
        if kind == REFERENCE:
            return self.seen[(flags >> 8 or self.integer()) - 1]
        if kind == SYMBOL:
            self.seen.append(self.read())
            return self.seen[-1]
        if kind == CHARACTERS:
            length = self.integer()
            return None if length == -1 else self.take(length).decode("utf-8", "replace")
        if kind == PAIRS:
            return self.pairs(has_attributes, has_tag)
        if kind == ALTREP:
            return self.compact()
        vector = Vector(self.elements(kind))
        if has_attributes:
            vector.attributes = self.read() or {}
        return vector

    def elements(self, kind: int) -> list[Any]:
        count = self.integer()
        if kind in {LOGICAL, INTEGER}:
            return [None if value == MISSING_INTEGER else value for value in self.integers(count)]
        if kind == REAL:
            return [None if value != value else value for value in struct.unpack(f">{count}d", self.take(8 * count))]
        if kind in {STRING, LIST}:
            return [self.read() for _ in range(count)]
        raise ValueError(f"R's type {kind} at byte {self.at} is none that data frames are made of.")

    def pairs(self, has_attributes: bool, has_tag: bool) -> dict[str, Any]:
        """A linked list of named values: walked here, for it may be long."""
        found: dict[str, Any] = {}
        while True:
            if has_attributes:
                self.read()
            tag = self.read() if has_tag else f"_{len(found)}"
            found[tag] = self.read()
            flags = self.integer()
            if flags & 255 != PAIRS:
                return found  # the list ends with NULL
            has_attributes, has_tag = bool(flags & 512), bool(flags & 1024)

    def compact(self) -> Vector:
        """A vector that R keeps in short: a sequence as (count, first, step), another one wrapped."""
        about, state = self.read(), self.read()
        attributes = self.read()
        name = about["_0"]
        if name in {"compact_intseq", "compact_realseq"}:
            count, first, step = state.values
            vector = Vector([first + step * at for at in range(int(count))])
        elif name.startswith("wrap_"):
            vector = state["_0"] if isinstance(state, dict) else state.values[0]
        else:
            raise ValueError(f"R's compact vector {name!r} is not one that data frames are made of.")
        vector.attributes = attributes or vector.attributes
        return vector
