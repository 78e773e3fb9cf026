"""Random numbers: the same for the same seed, whoever draws them, and advanced by every draw."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, DTypeError, ShapeError


def draws(generator: Any) -> list[Any]:
    return [
        cr.rand(3, generator=generator).tolist(),
        cr.randn(2, 2, generator=generator).tolist(),
        cr.randint(0, 9, (4,), generator=generator).tolist(),
        cr.randperm(5, generator=generator).tolist(),
        cr.bernoulli(cr.full((5,), 0.5), generator=generator).tolist(),
        cr.normal(1.0, 2.0, (2,), generator=generator).tolist(),
        cr.multinomial(cr.ones(4), 2, generator=generator).tolist(),
        cr.zeros(2).uniform_(-1, 1, generator=generator).tolist(),
        cr.zeros(2).exponential_(generator=generator).tolist(),
    ]


def test_the_same_seed_gives_the_same_numbers_and_a_compiled_function_too() -> None:
    first, second, third = (cr.Generator().manual_seed(5) for _ in range(3))
    expected = draws(first)
    assert draws(second) == expected
    numbers, perm = cr.compile(lambda: (cr.rand(3, generator=third), cr.randperm(5, generator=third)))()
    assert numbers.tolist() == expected[0]
    assert third.get_state().tolist() == [5, 2]
    assert perm.tolist() != expected[3]  # the fourth draw there, the second here


def test_seeds() -> None:
    generator = cr.Generator()
    assert generator.initial_seed() == 67280421310721
    assert generator.manual_seed(-1).initial_seed() == 2**64 - 1
    assert generator.seed() == generator.initial_seed()
    for wrong, kind in ((2**64, ArgumentError), (1.5, DTypeError)):
        with pytest.raises(kind):
            generator.manual_seed(wrong)


def test_a_state_continues_where_it_was_taken() -> None:
    generator = cr.Generator().manual_seed(3)
    cr.rand(2, generator=generator)
    state = generator.get_state()
    expected = cr.rand(2, generator=generator).tolist()
    assert state.tolist() == [3, 1]
    others = [
        generator.set_state(state),
        cr.Generator().set_state(state),
    ]
    for other in others:
        assert cr.rand(2, generator=other).tolist() == expected
    generator.set_state(state)
    for other in (pickle.loads(pickle.dumps(generator)), copy.deepcopy(generator)):
        assert cr.rand(2, generator=other).tolist() == expected
    with pytest.raises(ArgumentError, match="get_state"):
        generator.set_state(cr.zeros(2))


def test_the_generator_in_use() -> None:
    cr.manual_seed(1)
    state, expected = cr.get_rng_state(), cr.rand(2).tolist()
    cr.set_rng_state(state)
    assert cr.rand(2).tolist() == expected
    assert cr.initial_seed() == 1
    assert cr.seed() == cr.initial_seed()


def test_threads_never_take_the_same_draw() -> None:
    cr.manual_seed(0)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda _: tuple(cr.rand(4).tolist()), range(200)))
    assert len(set(rows)) == 200


def test_distributions_have_their_means() -> None:
    generator = cr.Generator().manual_seed(0)
    n = 20000
    for numbers, mean, std in (
        (cr.rand(n, generator=generator), 0.5, 12**-0.5),
        (cr.randn(n, generator=generator), 0.0, 1.0),
        (cr.empty(n).uniform_(2, 6, generator=generator), 4.0, 4 * 12**-0.5),
        (cr.empty(n).normal_(3, 2, generator=generator), 3.0, 2.0),
        (cr.empty(n).exponential_(0.5, generator=generator), 2.0, 2.0),
        (cr.empty(n).bernoulli_(0.3, generator=generator), 0.3, 0.21**0.5),
        (cr.empty(n).random_(0, 4, generator=generator), 1.5, 1.25**0.5),
        (cr.multinomial(cr.tensor([1.0, 3.0]), n, True, generator=generator).float(), 0.75, 0.1875**0.5),
    ):
        assert abs(numbers.mean().item() - mean) < 4 * std / n**0.5
        assert abs(numbers.std().item() - std) < 0.05 * std


def test_multinomial_without_replacement_never_repeats_nor_takes_the_impossible() -> None:
    weights = cr.tensor([[1.0, 2.0, 0.0, 3.0]] * 50)
    picked = cr.multinomial(weights, 3).numpy()
    assert all(sorted(row) == [0, 1, 3] for row in picked.tolist())


def test_shapes_and_types() -> None:
    assert cr.rand(2, 3, dtype=cr.float64).dtype is cr.float64
    assert cr.rand(()).shape == ()
    assert cr.randn_like(cr.ones(2, 3)).shape == (2, 3)
    assert cr.randint(5, (2,)).dtype is cr.int64
    assert cr.rand(2, requires_grad=True).is_leaf
    x = cr.ones(2, requires_grad=True)
    assert cr.normal(x, 0.0).requires_grad
    np.testing.assert_array_equal(np.sort(cr.randperm(6).numpy()), np.arange(6))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("cr.rand()", "a size is needed"),
        ("cr.rand(2, dtype=cr.int64)", "floating point"),
        ("cr.randint(3, 3, (2,))", "low < high"),
        ("cr.bernoulli(cr.tensor([1.5]))", "probability"),
        ("cr.bernoulli(cr.tensor([1]))", "floating point"),
        ("cr.normal(0.0, -1.0, (2,))", "negative"),
        ("cr.normal(0.0, 1.0)", "need a size"),
        ("cr.multinomial(cr.ones(2), 3)", "replacement"),
        ("cr.zeros(2).uniform_(2, 1)", "at most"),
        ("cr.zeros(2).normal_(0, -1)", "negative"),
        ("cr.zeros(2, dtype=cr.int64).uniform_()", "floating"),
        ("cr.zeros(2).exponential_(0)", "above 0"),
    ],
)
def test_errors(expression: str, message: str) -> None:
    with pytest.raises((ArgumentError, DTypeError, ShapeError), match=message):
        eval(expression, {"cr": cr})
