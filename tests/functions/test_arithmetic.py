from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, DTypeError, InPlaceError, ShapeError


@pytest.mark.parametrize(
    ("expression", "expected", "dtype"),
    [
        ("i + 1", [2, 3], "int64"),
        ("i + 1.5", [2.5, 3.5], "float32"),
        ("i / 2", [0.5, 1.0], "float32"),
        ("i // 2", [0, 1], "int64"),
        ("7 // i", [7, 3], "int64"),
        ("-7 % (i + 1)", [1, 2], "int64"),
        ("2 ** i", [2, 4], "int64"),
        ("i ** 2", [1, 4], "int64"),
        ("3 - i", [2, 1], "int64"),
        ("3 / i", [3.0, 1.5], "float32"),
        ("b + 1", [2, 1], "int64"),
        ("b * 2.5", [2.5, 0.0], "float32"),
        ("b & True", [True, False], "bool"),
        ("b | ~b", [True, True], "bool"),
        ("~i", [-2, -3], "int64"),
        ("i ^ 3", [2, 1], "int64"),
        ("-i", [-1, -2], "int64"),
        ("abs(-i)", [1, 2], "int64"),
        ("i == 1", [True, False], "bool"),
        ("1 < i", [False, True], "bool"),
        ("f + d", [2.0, 4.0], "float64"),
        ("f + s", [2.0, 3.0], "float32"),
        ("i + s", [2.0, 3.0], "float64"),
        ("f * np.float64(2)", [2.0, 4.0], "float32"),
        ("np.float64(2) * f", [2.0, 4.0], "float32"),
    ],
)
def test_type_rules(expression: str, expected: list[Any], dtype: str) -> None:
    scope = {
        "i": cr.tensor([1, 2]),
        "b": cr.tensor([True, False]),
        "f": cr.tensor([1.0, 2.0]),
        "d": cr.tensor([1.0, 2.0], dtype=cr.float64),
        "s": cr.tensor(1.0, dtype=cr.float64),  # without dimensions it does not promote within its category
        "np": np,
    }
    result = eval(expression, scope)
    assert result.tolist() == expected
    assert result.dtype.name == dtype


def test_zero_and_minus_zero_are_different_numbers() -> None:
    one = cr.tensor([1.0])
    assert (one * 0.0).tolist() == (one * 0).tolist() == [0.0]
    assert math.copysign(1, (one * -0.0).item()) == -1
    assert math.copysign(1, (one * 0.0).item()) == 1


def test_identity_hashes_and_elementwise_equality() -> None:
    x, y = cr.ones(2), cr.ones(2)
    assert (x == y).tolist() == [True, True]
    assert len({x, y, x}) == 2
    assert (x == None) is False  # noqa: E711 (the comparison is what is tested)
    assert (x != "a") is True
    assert x in (x, y)


@pytest.mark.parametrize("other", ["a", [1.0], None, object()])
def test_operators_refuse_what_is_no_number(other: Any) -> None:
    with pytest.raises(TypeError):
        cr.ones(2) + other
    with pytest.raises(TypeError):
        other - cr.ones(2)


def test_augmented_assignment_writes_in_place() -> None:
    x = cr.tensor([2.0, 4.0])
    same = x
    x += 1
    x *= 2
    x -= cr.ones(2)
    x /= 5
    x **= 2
    x //= 1
    x %= 2
    assert same is x
    assert x.tolist() == [1, 1]


def test_a_result_of_a_higher_category_is_not_stored() -> None:
    with pytest.raises(
        InPlaceError, match=r"float32 cannot be stored in a tensor of int64.*x\.to\(chainrule\.float32\)"
    ):
        cr.tensor([1, 2]).add_(0.5)


def test_shapes_that_do_not_broadcast_are_shown() -> None:
    with pytest.raises(ShapeError, match=r"\[2\] and \[3\]"):
        cr.ones(2) + cr.ones(3)
    with pytest.raises(ShapeError, match=r"f32\[2, 2\] does not fit the tensor f32\[2\]"):
        cr.ones(2).add_(cr.ones(2, 2))


def test_what_bools_lack_is_said() -> None:
    mask = cr.tensor([True])
    with pytest.raises(DTypeError, match=r"~mask"):
        operator.neg(mask)
    with pytest.raises(DTypeError, match=r"a \^ b"):
        operator.sub(mask, mask)
    with pytest.raises(DTypeError, match=r"x\.long\(\)"):
        cr.relu(mask)


def test_wrong_settings_are_refused() -> None:
    x = cr.tensor([1, 2])
    with pytest.raises(DTypeError, match="alpha"):
        cr.add(x, x, alpha=0.5)
    with pytest.raises(ArgumentError, match="rounding_mode"):
        cr.div(x, 2, rounding_mode="up")
    with pytest.raises(ArgumentError, match="divided by 0"):
        x // 0
    with pytest.raises(ArgumentError, match="at least one of min and max"):
        x.clamp()


@pytest.mark.parametrize("power", [0, 1, 2, 3, 0.5, -1, -0.5, 2.0, 1.5])
def test_powers_by_numbers_have_the_derivative_of_powers(power: float) -> None:
    x = cr.tensor([0.5, 2.0], dtype=cr.float64, requires_grad=True)
    (x**power).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), power * np.array([0.5, 2.0]) ** (power - 1), rtol=1e-14)


def test_fmax_takes_the_number_where_the_other_is_nan() -> None:
    x = cr.tensor([1.0, math.nan, 3.0], requires_grad=True)
    y = cr.tensor([2.0, 2.0, math.nan], requires_grad=True)
    result = cr.fmax(x, y)
    result.sum().backward()
    assert result.tolist() == [2, 2, 3]
    assert (x.grad.tolist(), y.grad.tolist()) == ([0, 0, 1], [1, 1, 0])


def test_closeness() -> None:
    x = cr.tensor([1.0, math.inf, math.nan])
    assert cr.isclose(x, x + 1e-9).tolist() == [True, True, False]
    assert cr.isclose(x, x, equal_nan=True).tolist() == [True, True, True]
    assert cr.allclose(cr.ones(2), cr.ones(2) + 1e-9) is True
    assert cr.equal(cr.ones(2), cr.ones(3)) is False
