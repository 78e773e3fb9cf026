"""Tables that do not fit into memory: they go to temporary files, and give the same."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import Encoding, guess_task, profile, read_table, split, target_of
from chainrule.data.space import container_free_bytes, memory_free_bytes

# What a run does with a table, where the process may have 330 MB more than it has with DuckDB started. Of 300,000 rows
# and 40 columns, the cells alone take 96 MB, DuckDB as much and more, the features 46: in memory it fails.
CHILD = """
import resource, sys
import duckdb
import chainrule.data.encoding
from chainrule.data import Encoding, guess_task, profile, read_table, split, target_of

path = sys.argv[1]
block = "".join(",".join(str(row * (7919 + k) // (k + 3) % 9) for k in range(40)) + "\\n" for row in range(1000))
with open(path, "w") as file:
    file.write(",".join(f"c{k}" for k in range(40)) + "\\n")
    for _ in range(300):
        file.write(block)
with duckdb.connect() as database:
    database.execute("select 1")
with open("/proc/self/status") as file:
    data = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (data + (330 << 20), data + (330 << 20)))
table = read_table(path)
parts = split(table, "c0", guess_task(target_of(table, "c0")))
encoding = Encoding.fit(table, profile(table, "c0", training_rows=parts.train), parts.train)
chainrule.data.encoding.SMALL_BYTES = 0
x = encoding.apply(table, memory_bytes=1 << 20)
print(type(table["c1"].data).__name__, type(x).__name__, x.shape, round(float(abs(x.mean(axis=0)).max()), 2))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's own memory, which only Linux knows")
def test_a_table_larger_than_the_memory_it_may_take_is_read_and_encoded(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "large.csv")],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": str(Path.cwd()), "TMPDIR": str(tmp_path), "PATH": ""},
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == "memmap memmap (300000, 38) 0.0\n"
    assert [path.name for path in tmp_path.iterdir()] == ["large.csv"]  # nothing is left behind


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    assert list(container_free_bytes(tmp_path)) == []
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("300\n")
    assert list(container_free_bytes(tmp_path)) == []
    (tmp_path / "memory.max").write_text("1000\n")
    assert list(container_free_bytes(tmp_path)) == [700]


def test_the_memory_that_is_free_is_known() -> None:
    assert 1 << 20 < memory_free_bytes() < 1 << 50


def test_tables_on_disk_give_the_same_bits(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rows = 100_000
    day = np.datetime64("2020-01-01") + draw.integers(0, 900, rows).astype("timedelta64[D]")
    columns = [draw.normal(size=rows).round(6).astype(str), draw.integers(0, 99, rows).astype(str), day.astype(str)]
    columns.append(draw.choice(["red", "green", "NA", "blue"], rows))
    columns.append(draw.choice(["yes", "no"], rows))
    path = tmp_path / "table.csv"
    path.write_text("n,k,d,c,y\n" + "\n".join(map(",".join, zip(*columns, strict=True))) + "\n")
    features = []
    for memory_bytes in (1 << 32, 1 << 20):
        table = read_table(path, memory_bytes=memory_bytes)
        assert isinstance(table["n"].data, np.memmap) is (memory_bytes < 1 << 30)
        parts = split(table, "y", guess_task(target_of(table, "y")))
        encoding = Encoding.fit(table, profile(table, "y", training_rows=parts.train), parts.train)
        features.append((parts.test.tobytes(), encoding, encoding.apply(table, parts.test).tobytes()))
    assert features[0] == features[1]


def test_texts_that_would_not_fit_into_memory_are_left_out_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chainrule.data.database.columns.KEPT", 1000)
    path = tmp_path / "table.csv"
    path.write_text("n,comment\n" + "".join(f"{row % 9},comment number {row}\n" for row in range(100_000)))
    table = read_table(path, memory_bytes=1 << 20)
    assert table.names == ("n",)
    assert table.notes == ("comment: left out, its more than 1,000 different texts do not fit into memory",)
    assert read_table(path, memory_bytes=1 << 32).names == ("n", "comment")
