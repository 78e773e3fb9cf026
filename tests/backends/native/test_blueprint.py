"""Programs that were made before: what stands in the cache is what was made, and nothing else is taken for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.backends import native, reference
from chainrule.backends.native import blueprint, compile, runner
from chainrule.backends.native.cache import Cache
from chainrule.backends.native.jit import host_level
from chainrule.backends.native.level import host_levels
from chainrule.ir.graph import Graph


def graph_of(function: Any, *arrays: np.ndarray[Any, Any]) -> Graph:
    compiled = cr.compile(function)
    compiled(*arrays)
    found: Graph = compiled.graph
    return found


X = np.random.default_rng(0).standard_normal((16, 8), dtype=np.float32)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    found = Cache(tmp_path)
    monkeypatch.setattr(runner, "user_cache", lambda: found)
    return found


def test_a_program_is_made_once(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_of(lambda x: (x @ x.T).softmax(1), X)
    first = compile(graph, lambda: 1, reference.compile)
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(native.drawing, "Drawing", lambda graph: pytest.fail("the graph was drawn again"))
    second = compile(graph, lambda: 1, reference.compile)
    assert [a.tobytes() for a in first([X])] == [a.tobytes() for a in second([X])]


def test_a_damaged_entry_is_made_again(cache: Cache, tmp_path: Path) -> None:
    graph = graph_of(lambda x: x.exp() + 1, X)
    first = compile(graph, lambda: 1, reference.compile)([X])
    for entry in tmp_path.iterdir():
        entry.write_bytes(entry.read_bytes()[:-40])
    again = compile(graph, lambda: 1, reference.compile)([X])
    assert first[0].tobytes() == again[0].tobytes()


def test_programs_of_other_graphs_levels_and_sources_have_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = graph_of(lambda x: x + 1, X), graph_of(lambda x: x + 2, X)
    keys = {blueprint.key_of_program(graph, level, "") for graph in (one, two) for level in host_levels()}
    assert len(keys) == 2 * len(host_levels())
    monkeypatch.setattr(blueprint, "sources", lambda: ("another version",))
    assert blueprint.key_of_program(one, host_levels()[0], "") not in keys


def test_a_blueprint_reads_back() -> None:
    graph = graph_of(lambda x: (x.sum(0), x.T.contiguous()), X)
    drawn = compile(graph, lambda: 1, reference.compile).drawing
    made, code = drawn.blueprint(host_level())
    assert blueprint.unpacked(made.packed(code)) == (made, code)


_MAKE_AND_RUN = """
import sys
import numpy as np
import chainrule as cr
from chainrule.ir import state
state.set_cache_folder(sys.argv[1])
step = cr.compile(lambda x: (x @ x.T).softmax(1).sum())
step(np.ones((16, 8), np.float32))
print(*sorted(name for name in sys.modules if name.startswith("chainrule.")))
"""


def test_a_program_from_the_disk_loads_nothing_that_makes_programs(tmp_path: Path) -> None:
    loaded = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", _MAKE_AND_RUN, str(tmp_path)], capture_output=True, text=True, check=True
        )
        loaded.append(done.stdout.split())
    makers = "chainrule.passes.", "chainrule.backends.native.drawing", "chainrule.backends.native.emit"
    assert all(any(name.startswith(maker) for name in loaded[0]) for maker in makers)
    assert not [name for name in loaded[1] if name.startswith(makers)]
