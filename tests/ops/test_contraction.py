from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from chainrule.autodiff.reverse import reverse
from chainrule.ir.errors import DTypeError, ShapeError
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import Shape, Type, float32
from chainrule.ir.value import Carrier, Value
from chainrule.ops.contraction import linear, matmul
from chainrule.ops.creation import full

RNG = np.random.default_rng(0)


def draw(*shape: int, dtype: str = "float32") -> Value:
    return Value(np.asarray(RNG.standard_normal(shape)).astype(dtype))


def primitives_of(carrier: Carrier) -> list[str]:
    """The names of what a value was computed by, the last first."""
    names = [carrier.primitive.name] if carrier.primitive is not None else []
    return names + [name for source in carrier.inputs for name in primitives_of(source)]


# matmul ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "shape"),
    [
        ((2, 3), (3, 4), (2, 4)),
        ((3,), (3,), ()),
        ((2, 3), (3,), (2,)),
        ((3,), (3, 4), (4,)),
        ((5, 2, 3), (3,), (5, 2)),
        ((3,), (5, 3, 4), (5, 4)),
        ((5, 2, 3), (3, 4), (5, 2, 4)),
        ((2, 3), (5, 3, 4), (5, 2, 4)),
        ((6, 1, 2, 3), (5, 3, 4), (6, 5, 2, 4)),
        ((1, 1, 2, 3), (5, 3, 4), (1, 5, 2, 4)),
        ((0, 3), (3, 4), (0, 4)),
        ((2, 3), (3, 0), (2, 0)),
        ((0, 5, 2, 3), (3, 4), (0, 5, 2, 4)),
        ((2, 3), (0, 3, 4), (0, 2, 4)),
    ],
)
def test_matmul_is_numpys(a: Shape, b: Shape, shape: Shape) -> None:
    x, w = draw(*a), draw(*b)
    y = matmul(x, w)
    assert y.type == Type(shape, float32)
    np.testing.assert_allclose(y.array, np.matmul(x.array, w.array), rtol=1e-5, atol=1e-6)


def test_a_product_over_nothing_is_zero() -> None:
    for a, b in (((2, 0), (0, 3)), ((5, 2, 0), (0, 3)), ((0,), (0,))):
        assert not matmul(draw(*a), draw(*b)).array.any()


def test_integers_stay_integers() -> None:
    x = Value(np.arange(6, dtype=np.int8).reshape(2, 3))
    y = matmul(x, Value(np.full((3, 1), 40, np.int8)))
    np.testing.assert_array_equal(y.array, np.array([[120], [480 % 256 - 256]], np.int8))


@pytest.mark.parametrize(
    ("a", "b"), [((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (1, 3, 4)), ((3,), (5, 3, 4))]
)
def test_a_matrix_is_not_repeated_for_a_batch(a: Shape, b: Shape) -> None:
    x, w = Value(draw(*a).array, needs_grad=True), Value(draw(*b).array, needs_grad=True)
    y = matmul(x, w)
    flows = reverse([y], [draw(*y.shape)], [x, w], create_graph=True)
    for carrier in (y, flows[x], flows[w]):
        names = primitives_of(carrier)
        assert "matmul" in names
        assert not {"broadcast_to", "sum"} & set(names)


def test_bits_do_not_depend_on_layout() -> None:
    for m, k, n in ((1, 300, 5), (5, 300, 1), (33, 65, 17)):
        x, w = draw(m, k), draw(k, n)
        expected = matmul(x, w).array.tobytes()
        assert matmul(Value(np.asfortranarray(x.array)), Value(np.asfortranarray(w.array))).array.tobytes() == expected
    x = draw(64, 64)  # of x @ x.T NumPy would compute one half only, in another order
    assert matmul(x, Value(x.array.T)).array.tobytes() == matmul(x, Value(x.array.T.copy())).array.tobytes()


def test_operators_and_1d_operands_are_differentiable() -> None:
    x, w = Value(draw(3).array, needs_grad=True), Value(draw(3).array, needs_grad=True)
    flows = reverse([x @ w], [full((), 1, float32)], [x, w])
    np.testing.assert_array_equal(flows[x].array, w.array)
    np.testing.assert_array_equal(flows[w].array, x.array)


def test_inner_sizes_that_differ_are_named() -> None:
    with pytest.raises(ShapeError) as error:
        matmul(draw(8, 3), draw(4, 5))
    assert "matmul: inner sizes differ: x f32[8, 3] @ w f32[4, 5] (3 != 4)." in str(error.value)
    for a, b in (((3,), (4,)), ((3,), (4, 5)), ((2, 3), (4,)), ((0, 2, 3), (0, 4, 5))):
        with pytest.raises(ShapeError, match=r"\(3 != 4\)"):
            matmul(draw(*a), draw(*b))


def test_batches_that_do_not_broadcast_are_named() -> None:
    with pytest.raises(ShapeError, match=r"x f32\[2, 3, 4\] @ w f32\[5, 4, 6\] \(\[2\] and \[5\]\)"):
        matmul(draw(2, 3, 4), draw(5, 4, 6))


def test_numbers_have_no_matrix_product() -> None:
    with pytest.raises(ShapeError, match=r"at least 1 dimension, not x f32\[2, 3\] @ w f32\[\]. Use \* to scale"):
        matmul(draw(2, 3), draw())
    with pytest.raises(ShapeError, match=r"at least 1 dimension, not 2.5"):
        matmul(draw(2, 3), 2.5)
    with pytest.raises(ShapeError, match=r"at least 1 dimension, not 2"):
        matmul(2, draw(2, 3))


@pytest.mark.parametrize(
    ("x", "w", "repair"),
    [
        ("float32", "float64", "w.to(chainrule.float32)"),
        ("float64", "float32", "w.to(chainrule.float64)"),
        ("int64", "float32", "x.to(chainrule.float32)"),
        ("float32", "int64", "w.to(chainrule.float32)"),
        ("int32", "int64", "w.to(chainrule.int32)"),
    ],
)
def test_element_types_that_differ_are_named_with_the_repair(x: str, w: str, repair: str) -> None:
    a, b = draw(2, 3, dtype=x), draw(3, 4, dtype=w)
    with pytest.raises(DTypeError) as error:
        matmul(a, b)
    for part in (str(a.type), str(b.type), repair):
        assert part in str(error.value)


def test_bools_have_no_matrix_product() -> None:
    with pytest.raises(DTypeError, match=r"bools have no matrix product"):
        matmul(draw(2, 3, dtype="bool"), draw(3, 4, dtype="bool"))


def test_the_type_rule_refuses_what_the_primitive_does_not_take() -> None:
    for a, b in (((3,), (3,)), ((5, 2, 3), (3, 4)), ((5, 2, 3), (1, 3, 4))):
        with pytest.raises(ShapeError, match="one batch shape"):
            REGISTRY["matmul"].infer(Type(a, float32), Type(b, float32))


def test_blas_has_one_thread_from_the_first_product_on() -> None:
    program = """
import sys
import numpy as np
from chainrule.ir.value import Value
from chainrule.ops.contraction import matmul
assert "threadpoolctl" not in sys.modules
matmul(Value(np.ones((2, 3))), Value(np.ones((3, 4))))
import threadpoolctl
assert all(pool["num_threads"] == 1 for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas")
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# linear ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [(3,), (2, 3), (5, 2, 3), (0, 3)])
@pytest.mark.parametrize("bias", [None, (4,), ()])
def test_linear_is_x_times_the_transpose_plus_bias(x: Shape, bias: Shape | None) -> None:
    given, weight = draw(*x), draw(4, 3)
    shift = None if bias is None else draw(*bias)
    expected = given.array @ weight.array.T + (0 if shift is None else shift.array)
    np.testing.assert_allclose(linear(given, weight, shift).array, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("m", "k", "n"), [(1, 300, 70), (40, 300, 1), (40, 300, 70), (1, 300, 1)])
def test_linear_has_the_bits_of_the_product_and_the_sum(m: int, k: int, n: int) -> None:
    x, w, b = draw(m, k), draw(n, k), draw(n)
    expected = matmul(x, w.permute((1, 0))) + b
    for weight in (w, Value(np.asfortranarray(w.array))):
        assert linear(x, weight, b).array.tobytes() == expected.array.tobytes()
    assert linear(w, w).array.tobytes() == linear(w, draw(1, 1) * 0 + w).array.tobytes()  # of one buffer, and of two


def test_linear_is_one_step_of_the_tape() -> None:
    x, w, b = (Value(draw(*shape).array, needs_grad=True) for shape in ((2, 3), (4, 3), (4,)))
    assert primitives_of(linear(x, w, b)) == ["linear"]


def test_linear_with_a_weight_of_one_dimension_leaves_none() -> None:
    assert linear(draw(2, 3), draw(3), draw()).shape == (2,)


def test_linear_names_the_layer_that_would_have_fitted() -> None:
    with pytest.raises(ShapeError) as error:
        linear(draw(8, 3), draw(5, 4), draw(5))
    assert "linear: the input has 3 features, the weight f32[5, 4] takes 4" in str(error.value)
    assert "Did you mean Linear(3, 5)?" in str(error.value)


@pytest.mark.parametrize("bias", [(3,), (2, 5), (1, 4, 5)])
def test_linear_refuses_a_bias_that_does_not_fit(bias: Shape) -> None:
    with pytest.raises(ShapeError, match=r"does not fit the output f32\[4, 5\]: it needs shape \[5\]"):
        linear(draw(4, 3), draw(5, 3), draw(*bias))


def test_linear_refuses_other_element_types() -> None:
    with pytest.raises(DTypeError, match=r"linear: x and w must have one element type: x f64\[8, 3\], w f32\[5, 3\]"):
        linear(draw(8, 3, dtype="float64"), draw(5, 3))
    with pytest.raises(DTypeError, match=r"bias.to\(chainrule.float32\)"):
        linear(draw(8, 3), draw(5, 3), draw(5, dtype="float64"))


@pytest.mark.parametrize(("x", "weight"), [((), (5, 3)), ((2, 3), ()), ((2, 3), (1, 5, 3))])
def test_linear_refuses_other_numbers_of_dimensions(x: Shape, weight: Shape) -> None:
    with pytest.raises(ShapeError, match=r"an input \[\*, in\] and a weight \[out, in\] or \[in\] are needed"):
        linear(draw(*x), draw(*weight))
