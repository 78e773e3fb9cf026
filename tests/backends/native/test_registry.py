"""Every primitive natively, on its samples and on random shapes: the reference's results, on every feature level."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import pytest

from chainrule.backends import reference
from chainrule.backends.native.emit import has_row
from chainrule.backends.native.level import Level, host_levels
from chainrule.ir.errors import ChainruleError
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import DTYPES, float32
from chainrule.passes.families import is_elementwise
from tests.backends.native.primitive_cases import PRIMITIVES, RANDOM, Case, cases
from tests.backends.native.primitive_checks import check, plain, run, together
from tests.ops.cases import cases_of

LEVELS = host_levels()

each_level = pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
each_primitive = pytest.mark.parametrize("name", PRIMITIVES)


@each_level
@each_primitive
def test_samples_of_the_registry(name: str, level: Level) -> None:
    precise = [one for case in cases_of(REGISTRY[name]) for one in case.precisions()[0 if level is LEVELS[0] else -1 :]]
    check(name, [(list(one.arrays), one.params) for one in precise], level)


@each_level
@each_primitive
def test_random_shapes_layouts_and_element_types(name: str, level: Level) -> None:
    """All cases in float32 on the best level, but four of what is elementwise or draws: its loops are all the same. Of
    other element types one case there, and of three of them on other levels. `make fuzz` has everything.
    """
    rng = np.random.default_rng(crc32(f"{name} {level.name}".encode()))
    best = level is LEVELS[0]
    found: list[Case] = []
    for dtype in rng.permutation(np.array(DTYPES)):
        given = cases(REGISTRY[name], dtype, rng)
        if dtype is not float32 or not best:
            most = 1 if best or len(found) < 3 else 0
        else:
            most = 4 if is_elementwise(REGISTRY[name]) or name in RANDOM else len(given)
        found += [given[k] for k in rng.permutation(len(given))[:most]]
    check(name, found, level)


@each_primitive
def test_some_element_type_is_tried(name: str) -> None:
    rng = np.random.default_rng(0)
    assert any(cases(REGISTRY[name], dtype, rng) for dtype in DTYPES)


def test_nothing_is_missing() -> None:
    """Whatever has no row has an expansion into rows."""
    assert not [name for name in PRIMITIVES if not has_row(name) and REGISTRY[name].expand is None]


@pytest.mark.parametrize("name", sorted(RANDOM))
def test_draws_are_the_same_whatever_the_threads(name: str) -> None:
    given = cases(REGISTRY[name], DTYPES[-1] if name != "permutation" else DTYPES[0], np.random.default_rng(0))
    graph, arrays, _ = together(name, given[-2:], [plain])
    first, *others = [run(graph, arrays, LEVELS[0], threads) for threads in (1, 2, 3, 4)]
    for found in others:
        assert [a.tobytes() for a in found] == [a.tobytes() for a in first]


# Errors ---------------------------------------------------------------------------------------------------------------

INDEXED = {
    "index_select": 1,
    "gather": 1,
    "take_points": 1,
    "pick": 1,
    "index_add": 1,
    "scatter": 1,
    "scatter_add": 1,
    "put_points": 2,
    "cross_entropy": 1,
    "one_hot": 0,
}


@each_level
@pytest.mark.parametrize("bad", [0, 1000, -1000, 2**40])
@pytest.mark.parametrize("name", INDEXED)
def test_an_index_out_of_range_raises_what_the_reference_raises(name: str, bad: int, level: Level) -> None:
    operands, params = next(
        case for case in cases(REGISTRY[name], DTYPES[-1], np.random.default_rng(0)) if case[0][INDEXED[name]].size
    )
    length = params.get("classes") or operands[0].shape[params.get("axis", -1)]
    operands[INDEXED[name]].reshape(-1)[-1] = bad or length  # the first that is none
    graph, arrays, _ = together(name, [(operands, params)], [plain])
    before = [array.copy() for array in arrays]
    with pytest.raises(ChainruleError) as expected:
        reference.compile(graph)(arrays)
    with pytest.raises(type(expected.value)) as found:
        run(graph, arrays, level)
    assert str(found.value) == str(expected.value)
    assert [a.tobytes() for a in arrays] == [a.tobytes() for a in before]
