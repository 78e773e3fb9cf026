"""Random numbers in registers against `ops/philox.py`: the same bits, for neighbours and for elements in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import chainrule as cr
from chainrule.backends.native import philox, words
from chainrule.backends.native.level import Level
from chainrule.backends.native.text import Function, Reg, with_element
from chainrule.ir import state
from chainrule.ir.types import dtype_of
from chainrule.ops import philox as reference
from tests.backends.native.harness import over_arrays, run
from tests.backends.native.machine_code import LEVELS, OTHER_LEVELS, object_code

Array = npt.NDArray[Any]

SEED, DRAW, COUNT = 0x123456789ABCDEF0 - 2**63, 2**35 + 7, 1000
PLACES = np.arange(COUNT, dtype=np.int64)
ORDER = np.random.default_rng(0).permutation(COUNT)

# primitive, element type of the result, parameters, expected
CASES: list[tuple[str, str, dict[str, Any], Array]] = [
    ("uniform", "float32", {}, reference.uniform(SEED, DRAW, (COUNT,), np.float32)),
    ("uniform", "float64", {}, reference.uniform(SEED, DRAW, (COUNT,), np.float64)),
    ("normal", "float32", {}, reference.normal(SEED, DRAW, (COUNT,), np.float32)),
    ("normal", "float64", {}, reference.normal(SEED, DRAW, (COUNT,), np.float64)),
    ("bernoulli", "bool", {"p": ("double", 0.3)}, reference.bernoulli(SEED, DRAW, 0.3, (COUNT,))),
    (
        "bernoulli",
        "float32",
        {"p": ("float", 0.9)},
        reference.bernoulli(SEED, DRAW, np.full(1, 0.9, np.float32), (COUNT,)),
    ),
    *(
        ("randint", dtype, {"low": low, "high": high}, reference.randint(SEED, DRAW, low, high, (COUNT,)))
        for dtype, low, high in (
            ("int64", -2, 5),
            ("int64", 0, 2**63),
            ("int64", -(2**63), 2**63),
            ("uint8", 0, 256),
            ("float32", 0, 2**24),
        )
    ),
]


def emit(case: tuple[str, str, dict[str, Any], Array], in_order: bool, offset: int) -> Any:
    name, dtype, params, _ = case

    def body(f: Function, index: Reg) -> Reg:
        index = f.op("add", index, f.const(offset, index.type))
        given = dict(params)
        if "p" in given:
            element, value = given["p"]
            given["p"] = f.const(value, with_element(index.type, element))
        seed, draw = f.const(SEED, "i64"), f.const(DRAW, "i64")
        return philox.emit_random(name, f, seed, draw, index, dtype_of(dtype), in_order=in_order, **given)

    return body


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, (*case[:2], *case[2].values()))))
def test_the_bits_are_the_references(case: tuple[str, str, dict[str, Any], Array], level: Level) -> None:
    expected = case[3].astype(case[1]).tobytes()
    for lanes in (4, 16):
        found = run(emit(case, True, 0), level, [PLACES], case[1], lanes=lanes)
        assert found.tobytes() == expected, f"{lanes} lanes in order"
    shuffled = case[3].astype(case[1])[ORDER].tobytes()
    for lanes in (1, 8):
        found = run(emit(case, False, 0), level, [PLACES[ORDER]], case[1], lanes=lanes)
        assert found.tobytes() == shuffled, f"{lanes} lanes in any order"


def test_places_beyond_32_bits_have_their_own_words() -> None:
    # A stream is too long to compare; the reference of single words is not.
    place = 2**36 + 12
    low, high = (place // 4) % 2**32, (place // 4) >> 32
    counter = np.array([low, high, DRAW % 2**32, DRAW >> 32], np.uint32)
    key = np.array([SEED % 2**64 % 2**32, SEED % 2**64 >> 32], np.uint32)
    expected = reference.philox4x32(counter, key)
    for in_order in (True, False):
        found = run(emit(CASES[0], in_order, place), LEVELS[0], [PLACES[:4]], np.float32, lanes=4)
        np.testing.assert_array_equal(found, (expected >> 8).astype(np.float32) * np.float32(2.0**-24))


def test_stretches_of_words_of_any_length() -> None:
    for first, last in ((0, 1), (0, 4), (3, 5), (1, 1000), (2**33 + 1, 2**33 + 8)):
        with state.using(state.executor, "reference"):
            expected = reference._stream(SEED, DRAW, first, last)
        assert words.words(SEED, DRAW, first, last).tobytes() == expected.tobytes()


def test_what_is_drawn_is_the_same_whoever_makes_the_words() -> None:
    drawn = []
    for executor in ("native", "reference"):
        with state.using(state.executor, executor):
            cr.manual_seed(2**63 + 5)
            made = cr.rand(70_001), cr.randn(40_003, dtype=cr.float64), cr.randint(0, 9, (50_000,))
            drawn.append([tensor.numpy() for tensor in made])
    for one, other in zip(*drawn, strict=True):
        assert one.tobytes() == other.tobytes()


def test_large_draws_are_made_in_machine_code(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(seed: int, draw: int, first: int, last: int) -> Array:
        asked.append(last - first)
        return words.words(seed, draw, first, last)

    accelerator = state.accelerator()
    assert accelerator is not None
    monkeypatch.setattr(state, "_accelerator", [accelerator._replace(words=counted)])
    cr.rand(1000)
    assert not asked
    cr.rand(100_000)
    assert sum(asked) == 25_000


def test_probabilities_outside_0_to_1_are_found() -> None:
    given = np.array([0, 1, 0.5, -0.0, -1e-9, 1.0000001, np.nan, np.inf], np.float32)
    found = run(philox.probability_is_valid, LEVELS[0], [given], np.bool)
    np.testing.assert_array_equal(found, [True] * 4 + [False] * 4)


@pytest.mark.parametrize("level", OTHER_LEVELS, ids=lambda level: level.name)
def test_it_compiles_for_other_machines(level: Level) -> None:
    for in_order in (True, False):
        text = over_arrays(emit(CASES[2], in_order, 0), level, ["i64"], "float", level.width)
        assert object_code(text, level)
