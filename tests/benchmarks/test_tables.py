"""What benchmarks/tables.py reads and reckons."""

from __future__ import annotations

import gzip
import math
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))  # where it finds its sources, too

import tables
from sources.public_tables import PublicTable, Unavailable, columns_of, fetch
from sources.r_data import read_data_set

HEADER = b"X\n" + struct.pack(">3i", 2, 0x30000, 0x20300)
END = struct.pack(">i", 254)


def strings(*values: str | None) -> bytes:
    items = [struct.pack(">2i", 9, -1) if v is None else struct.pack(">2i", 9, len(v)) + v.encode() for v in values]
    return struct.pack(">2i", 16, len(values)) + b"".join(items)


def tagged(name: str, value: bytes) -> bytes:
    """One pair of a list: flags with a tag, the symbol, the value."""
    return struct.pack(">2i", 1026, 1) + struct.pack(">2i", 9, len(name)) + name.encode() + value


def listed(names: tuple[str, ...], *values: bytes) -> bytes:
    """A list with names."""
    return struct.pack(">2i", 19 | 512, len(values)) + b"".join(values) + tagged("names", strings(*names)) + END


def r_package(folder: Path) -> Path:
    """A package's folder with one data set `pets`: a factor, doubles and integers, each with a missing cell."""
    factor = struct.pack(">5i", 13 | 512, 3, 2, -(2**31), 1) + tagged("levels", strings("cat", "dog")) + END
    doubles = struct.pack(">2i3d", 14, 3, 1.5, math.nan, -2.0)
    integers = struct.pack(">5i", 13, 3, 7, 8, -(2**31))
    frame = zlib.compress(HEADER + listed(("kind", "kilos", "years"), factor, doubles, integers))
    stored = struct.pack(">i", 999) + frame
    (folder / "Rdata.rdb").write_bytes(b"other bytes" + stored)
    place = struct.pack(">4i", 13, 2, len(b"other bytes"), len(stored))
    index = listed(("variables",), listed(("pets",), place))
    (folder / "Rdata.rdx").write_bytes(gzip.compress(HEADER + index))
    return folder


def test_a_data_set_of_an_r_package_is_read(tmp_path: Path) -> None:
    assert read_data_set(r_package(tmp_path), "pets") == {
        "kind": ["dog", None, "cat"],
        "kilos": [1.5, None, -2.0],
        "years": [7, 8, None],
    }


def test_r_data_that_end_early_are_refused(tmp_path: Path) -> None:
    folder = r_package(tmp_path)
    whole = gzip.decompress((folder / "Rdata.rdx").read_bytes())
    (folder / "Rdata.rdx").write_bytes(gzip.compress(whole[:-20]))
    with pytest.raises(ValueError, match="the data end at byte"):
        read_data_set(folder, "pets")


def test_columns_are_numbers_where_every_present_cell_is_one() -> None:
    columns = columns_of({"a": ["1", "?", "2.5"], "b": ["1", "", "x"]})
    assert columns["a"].dtype == float
    assert math.isnan(columns["a"][1])
    assert columns["b"].tolist() == ["1", None, "x"]


def test_what_cannot_be_fetched_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="`no-such-program now` failed"):
        fetch(["no-such-program", "now"], tmp_path)


def test_the_floor_is_below_the_better_peer_by_its_own_error() -> None:
    def score(mean: float, error: float | None) -> dict[str, Any]:
        return {"mean": mean, "standard_error": error}

    assert tables.floor_of({"mlp": score(0.9, 0.3), "linear": score(0.8, 0.1)}) == pytest.approx(0.6)
    assert tables.floor_of({"mlp": score(0.7, 0.3), "linear": score(0.8, 0.1)}) == pytest.approx(0.7)
    assert tables.floor_of({"linear": score(0.8, 0.1)}) is None
    assert tables.floor_of({"mlp": score(0.9, None), "linear": score(0.8, None)}) is None


def test_a_table_becomes_a_file_with_empty_cells_for_what_is_missing(tmp_path: Path) -> None:
    table = PublicTable("t", columns_of({"a": ["1", None], "b": [None, "x,y"]}), "b", "classification")
    tables.write_csv(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().split() == ["a,b", "1.0,", ',"x,y"']
