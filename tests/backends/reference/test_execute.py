import weakref
from typing import Any

import numpy as np
import pytest

from chainrule.backends import reference
from chainrule.ir import state
from chainrule.ir.graph import Graph
from chainrule.ir.primitive import REGISTRY, Primitive
from chainrule.ir.trace import Trace, make_input
from chainrule.ir.types import Array, Type, float32, float64
from chainrule.ops.control import with_derivative
from chainrule.ops.creation import full
from chainrule.ops.elementwise import add, exp, log
from chainrule.ops.movement import permute
from chainrule.ops.reduction import sum_

F64 = Type((2, 3), float64)
X = np.arange(6.0).reshape(2, 3)


def run(function: Any, *arrays: Array) -> list[Array]:
    inputs = tuple(make_input(f"x{k}", F64) for k in range(len(arrays)))
    with state.using(state.trace, Trace()):
        results = tuple(function(*inputs))
    return reference.compile(Graph(inputs, results))(list(arrays))


def test_program_computes_the_graph() -> None:
    results = run(lambda x, y: (x + y, permute(x, (1, 0)), x, full((2,), 3, float32)), X, X)
    expected: list[Array] = [X + X, X.T, X, np.full(2, 3, np.float32)]
    for result, value in zip(results, expected, strict=True):
        assert result.dtype == value.dtype
        np.testing.assert_array_equal(result, value)


def test_results_without_dimensions_are_arrays() -> None:
    total, product = run(lambda x: (sum_(x, (0, 1)), sum_(x, (0, 1)) * sum_(x, (0, 1))), X)
    assert type(total) is np.ndarray
    assert type(product) is np.ndarray
    assert total.item() == 15
    assert product.item() == 225


def test_primitive_of_several_results() -> None:
    def function(x: Any) -> Any:
        return with_derivative([exp(x), sum_(x, (0, 1))], [x], lambda g, results, inputs: g)

    first, second = run(function, X)
    np.testing.assert_array_equal(first, np.exp(X))
    assert type(second) is np.ndarray
    assert second == 15


def test_graph_without_nodes_or_outputs() -> None:
    assert run(lambda x: (), X) == []
    (same,) = run(lambda x: (x,), X)
    assert same is X


def test_graph_may_start_from_what_was_computed() -> None:
    x = make_input("x", F64)
    with state.using(state.trace, Trace()):
        y = exp(x)
        z = y * y + x
    (result,) = reference.compile(Graph((y, x), (z,)))([X, X])
    np.testing.assert_array_equal(result, X * X + X)


def test_warnings_are_off_throughout_and_on_again_after() -> None:
    (result,) = run(lambda x: (log(x) - log(x),), 0 * X)
    assert np.isnan(result).all()
    with pytest.warns(RuntimeWarning):
        np.log(np.zeros(1))


def test_wrong_number_of_arrays_is_refused() -> None:
    with pytest.raises(AssertionError, match="takes 1 arrays, not 2"):
        reference.compile(Graph((make_input("x", F64),), ()))([X, X])


def test_intermediates_are_freed_after_their_last_use() -> None:
    alive: list[int] = []
    made: list[weakref.ref[Array]] = []

    def watch(x: Array) -> Array:
        alive.append(sum(ref() is not None for ref in made))
        result = x + 1
        made.append(weakref.ref(result))
        return result

    watched = Primitive("watched", watch, lambda x: x, register=False)
    node = x = make_input("x", F64)
    first = None
    for _ in range(5):
        with state.using(state.trace, Trace()):
            node = watched(node)
        first = first or node
    program = reference.compile(Graph((x,), (node,)))
    np.testing.assert_array_equal(program([X])[0], X + 5)
    assert alive == [0, 1, 1, 1, 1]  # the operand, nothing before it

    alive.clear()
    made.clear()
    with state.using(state.trace, Trace()):
        late = add(node, first)
    reference.compile(Graph((x,), (late,)))([X])
    assert alive == [0, 1, 2, 2, 2]  # the first result is read once more at the end


def test_a_program_runs_again_and_leaves_its_inputs_alone() -> None:
    x = make_input("x", F64)
    with state.using(state.trace, Trace()):
        y = x * x
    program = reference.compile(Graph((x,), (y,), {0: 0}))
    arrays = [X.copy()]
    first, second = program(arrays), program(arrays)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(arrays[0], X)


def test_coverage_has_a_row_for_every_primitive() -> None:
    report = reference.coverage()
    assert report.rows == tuple(sorted(REGISTRY))
    assert report.expanded == report.missing == ()
    assert "exp" in str(report).split()
