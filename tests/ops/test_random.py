"""The random primitives: pure in the state, of the shape and type asked for. The numbers: test_philox.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.ir.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ir.types import bool_, float32, float64, int64, uint8
from chainrule.ir.value import Carrier, Value
from chainrule.ops import philox, random

STATE = Value(np.array([7, 3], np.int64))
DRAWS: dict[str, Callable[[Value], Carrier]] = {
    "uniform": lambda state: random.uniform(state, (50,)),
    "normal": lambda state: random.normal(state, (50,)),
    "randint": lambda state: random.randint(state, 0, 1000, (50,)),
    "bernoulli": lambda state: random.bernoulli(state, Value(np.full(50, 0.5))),
    "permutation": lambda state: random.permutation(state, 50),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_state_alone_decides(name: str) -> None:
    draw = DRAWS[name]
    again, next_draw, other_seed = (Value(np.array(state)) for state in ([7, 3], [7, 4], [8, 3]))
    np.testing.assert_array_equal(draw(STATE).array, draw(again).array)
    assert (draw(STATE).array != draw(next_draw).array).any()
    assert (draw(STATE).array != draw(other_seed).array).any()


@pytest.mark.parametrize("name", DRAWS)
def test_a_state_must_be_two_integers(name: str) -> None:
    for state in (np.zeros(2), np.zeros(3, np.int64), np.zeros(2, np.int32)):
        with pytest.raises(ShapeError, match=rf"{name}: the state of a generator is i64\[2\]"):
            DRAWS[name](Value(state))


def test_a_seed_with_its_top_bit_set_is_that_seed() -> None:
    seed = 2**64 - 5
    state = Value(np.array([seed - 2**64, 0]))
    np.testing.assert_array_equal(random.uniform(state, (4,)).array, philox.uniform(seed, 0, (4,), np.float32))


def test_the_next_state_is_the_next_draw() -> None:
    state = random.next_state(random.next_state(STATE))
    np.testing.assert_array_equal(state.array, np.array([7, 5]), strict=True)


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_results_have_the_shape_and_type_asked_for(shape: Any) -> None:
    for dtype in (float32, float64):
        for draw in (random.uniform, random.normal):
            assert draw(STATE, shape, dtype).type == (shape, dtype)
    for dtype in (int64, uint8, float32):
        assert random.randint(STATE, 0, 9, shape, dtype).type == (shape, dtype)
    p = Value(np.full(shape, 0.5, np.float32))
    assert random.bernoulli(STATE, p).type == (shape, float32)
    assert random.bernoulli(STATE, p, bool_).type == (shape, bool_)


def test_a_probability_of_zero_is_never_and_of_one_always() -> None:
    p = np.repeat([0.0, 1.0], 500)
    np.testing.assert_array_equal(random.bernoulli(STATE, Value(p)).array, p)


@pytest.mark.parametrize("bad", [-0.1, 1.5, float("nan")])
def test_a_probability_outside_is_named(bad: float) -> None:
    with pytest.raises(ArgumentError, match=rf"must lie in \[0, 1\], this one is {bad}"):
        random.bernoulli(STATE, Value(np.array([0.5, bad])))


def test_randint_reaches_both_ends_of_its_range() -> None:
    drawn = random.randint(STATE, -1, 2, (300,)).array
    assert set(drawn.tolist()) == {-1, 0, 1}
    assert random.randint(STATE, 0, 256, (5000,), uint8).array.max() == 255
    assert random.randint(STATE, -(2**63), 2**63, (9,)).dtype is int64


def test_randint_checks_its_range() -> None:
    for low, high, dtype in ((3, 3, int64), (0, 257, uint8), (-1, 2, uint8), (0, 2**24 + 2, float32), (0, 3, bool_)):
        with pytest.raises(ArgumentError, match=f"needs low < high, and {dtype.name} holds .* low {low}, high {high}"):
            random.randint(STATE, low, high, (1,), dtype)


def test_numbers_of_floating_point_cannot_be_integers() -> None:
    for name, draw in (("uniform", random.uniform), ("normal", random.normal)):
        with pytest.raises(DTypeError, match=f"{name}: .* cannot be int64"):
            draw(STATE, (1,), int64)
    with pytest.raises(DTypeError, match="bernoulli"):
        random.bernoulli(STATE, Value(np.array([0, 1])))


def test_a_permutation_has_each_number_once() -> None:
    assert sorted(random.permutation(STATE, 50).array.tolist()) == list(range(50))
    assert random.permutation(STATE, 0).shape == (0,)
    with pytest.raises(ArgumentError, match="at least 0, not -1"):
        random.permutation(STATE, -1)


def test_random_numbers_are_constants_to_a_gradient() -> None:
    p = Value(np.full(3, 0.5), needs_grad=True)
    assert not random.bernoulli(STATE, p).needs_grad
