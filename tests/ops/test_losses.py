from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.autodiff.reverse import reverse
from chainrule.ir.errors import ArgumentError, ChainruleError, DTypeError, OutOfRangeError, ShapeError
from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import Array, Shape
from chainrule.ir.value import Value
from chainrule.ops.losses import cross_entropy

INF = float("inf")
RNG = np.random.default_rng(0)


def draw(*shape: int) -> Value:
    return Value(np.asarray(RNG.standard_normal(shape)), needs_grad=True)


def numbers(values: object, dtype: str = "int64") -> Value:
    return Value(np.array(values, dtype))


def loss_and_gradient(logits: Value, target: Value, **options: Any) -> tuple[Array, Array]:
    loss = cross_entropy(logits, target, **options)
    return loss.array, reverse([loss], [Value(np.ones_like(loss.array))], [logits])[logits].array


def log_probabilities(logits: Array) -> Array:
    return np.asarray(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))


def test_the_loss_is_the_negative_log_probability_of_the_class() -> None:
    logits, target = draw(4, 3), numbers([0, 2, 1, 2])
    rows = -log_probabilities(logits.array)[range(4), target.array]
    np.testing.assert_allclose(cross_entropy(logits, target, reduction="none").array, rows)
    np.testing.assert_allclose(cross_entropy(logits, target, reduction="sum").array, rows.sum())
    np.testing.assert_allclose(cross_entropy(logits, target).array, rows.mean())


def test_the_gradient_is_softmax_minus_one_hot() -> None:
    logits, target = draw(4, 3), numbers([0, 2, 1, 2])
    _, found = loss_and_gradient(logits, target)
    np.testing.assert_allclose(found, (np.exp(log_probabilities(logits.array)) - np.eye(3)[target.array]) / 4)


def test_classes_are_the_second_dimension_of_more_than_two() -> None:
    logits, target = draw(2, 3, 4, 5), RNG.integers(0, 3, (2, 4, 5))
    rows = cross_entropy(logits, Value(target), reduction="none").array
    assert rows.shape == (2, 4, 5)
    one = cross_entropy(Value(logits.array[1, :, 2, 3]), numbers(target[1, 2, 3]))
    np.testing.assert_allclose(rows[1, 2, 3], one.array)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_class_numbers_may_have_any_integer_type(dtype: str) -> None:
    logits = draw(3, 4)
    expected = cross_entropy(logits, numbers([0, 3, 1])).array
    np.testing.assert_array_equal(cross_entropy(logits, numbers([0, 3, 1], dtype)).array, expected)


def test_one_hot_probabilities_give_the_loss_of_the_class() -> None:
    logits, target = draw(4, 3), numbers([0, 2, 1, 2])
    soft = Value(np.eye(3)[target.array])
    for options in ({}, {"label_smoothing": 0.3}, {"reduction": "none"}):
        expected = cross_entropy(logits, target, **options).array
        np.testing.assert_allclose(cross_entropy(logits, soft, **options).array, expected)


def test_the_mean_of_class_numbers_is_weighted_and_that_of_probabilities_is_not() -> None:
    logits, target, weight = draw(3, 2), numbers([0, 1, 1]), Value(np.array([1.0, 3.0]))
    rows = cross_entropy(logits, target, weight, reduction="none").array
    np.testing.assert_allclose(cross_entropy(logits, target, weight).array, rows.sum() / 7)
    soft = Value(np.eye(2)[target.array])
    np.testing.assert_allclose(cross_entropy(logits, soft, weight).array, rows.sum() / 3)


def test_large_logits_neither_overflow_nor_lose_the_gradient() -> None:
    logits = Value(np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32), needs_grad=True)
    loss, found = loss_and_gradient(logits, numbers([0, 0]), reduction="none")
    np.testing.assert_array_equal(loss, [0, 2e4])
    np.testing.assert_array_equal(found, [[0, 0], [-1, 1]])


def test_an_impossible_class_costs_nothing_unless_it_is_the_target() -> None:
    logits = Value(np.array([[-INF, 0.0, 0.0], [-INF, 0.0, 0.0]]), needs_grad=True)
    loss, found = loss_and_gradient(logits, numbers([1, 0]), reduction="none")
    np.testing.assert_allclose(loss, np.array([np.log(2), INF]))
    np.testing.assert_allclose(found, [[0, -0.5, 0.5], [-1, 0.5, 0.5]])


# ignore_index ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ignore_index", [-100, -1, 1, 7])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.2}, {"weight": Value(np.array([1.0, 2.0, 3.0]))}])
def test_ignored_rows_do_not_count(ignore_index: int, options: dict[str, Any]) -> None:
    logits, target = draw(4, 3), numbers([0, ignore_index, 2, ignore_index])
    loss, found = loss_and_gradient(logits, target, ignore_index=ignore_index, **options)
    kept = Value(logits.array[[0, 2]], needs_grad=True)
    expected, gradient = loss_and_gradient(kept, numbers([0, 2]), ignore_index=ignore_index, **options)
    np.testing.assert_allclose(loss, expected)
    np.testing.assert_allclose(found[[0, 2]], gradient)
    assert not found[[1, 3]].any()


def test_all_rows_ignored_have_no_mean_and_no_gradient() -> None:
    logits, target = draw(2, 3), numbers([-100, -100])
    loss, found = loss_and_gradient(logits, target)
    assert np.isnan(loss)
    assert not found.any()
    assert cross_entropy(logits, target, reduction="sum").array == 0


def test_an_ignored_row_may_hold_anything() -> None:
    logits = Value(np.array([[np.nan, INF], [0.0, 0.0]]), needs_grad=True)
    loss, found = loss_and_gradient(logits, numbers([-100, 0]))
    np.testing.assert_allclose(loss, np.log(2.0))
    np.testing.assert_allclose(found, np.array([[0, 0], [-0.5, 0.5]]))


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}])
def test_no_rows_have_no_mean_and_sum_zero(options: dict[str, Any]) -> None:
    for target in (np.zeros(0, np.int64), np.zeros((0, 3))):
        assert np.isnan(cross_entropy(draw(0, 3), Value(target), **options).array)
        assert cross_entropy(draw(0, 3), Value(target), reduction="sum", **options).array == 0


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "target", "options", "message"),
    [
        ((3, 4), [0, 4, 1], {}, r"the class number 4 at position \[1\] of the target is not in \[0, 4\)"),
        ((3, 4), [0, 3, -1], {}, r"the class number -1 at position \[2\]"),
        ((3, 4), [0, -100, 5], {"label_smoothing": 0.1}, r"the class number 5 at position \[2\]"),
        ((1, 3, 2, 2), [[[0, 1], [3, 2]]], {}, r"the class number 3 at position \[0, 1, 0\]"),
        ((3,), 3, {}, r"the class number 3 of the target is not in \[0, 3\)"),
        ((2, 0), [0, 0], {}, r"the class number 0 at position \[0\] of the target is not in \[0, 0\)"),
        ((2, 3), [-100, 0], {"ignore_index": 1}, r"the class number -100 at position \[0\]"),
    ],
)
def test_a_class_number_outside_the_classes_is_named(
    shape: Shape, target: object, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OutOfRangeError, match=message):
        cross_entropy(draw(*shape), numbers(target), **options)


def test_the_expansion_refuses_classes_outside_too() -> None:
    expand = REGISTRY["cross_entropy"].expand
    assert expand is not None
    with pytest.raises(OutOfRangeError, match="index 3 is out of range"):
        expand(draw(4, 3), numbers([3, 0, 1, -100]), ignore_index=-100, reduction="none")


@pytest.mark.parametrize(
    ("logits", "target", "message"),
    [
        ((3, 4), (2,), r"logits f64\[3, 4\] need class numbers of shape \[3\] .*; the target is i64\[2\]"),
        ((3, 4), (3, 1), r"Remove its last dimension"),
        ((3, 4), (), r"class numbers of shape \[3\]"),
        ((4,), (3,), r"class numbers of shape \[\]"),
        ((2, 3, 4, 5), (2, 5, 4), r"class numbers of shape \[2, 4, 5\] or probabilities of shape \[2, 3, 4, 5\]"),
        ((), (1,), r"the logits need a dimension of classes"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(logits: Shape, target: Shape, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        cross_entropy(draw(*logits), Value(np.zeros(target, np.int64)))


@pytest.mark.parametrize(
    ("logits", "target", "options", "error", "message"),
    [
        (np.zeros((3, 4)), np.zeros(3), {}, DTypeError, r"class numbers must be integers, not f64\[3\].*target.long"),
        (np.zeros((3, 4)), np.zeros(3, bool), {}, DTypeError, r"class numbers must be integers, not bool\[3\]"),
        (np.zeros((3, 4)), np.zeros((3, 4), int), {}, DTypeError, r"holds probabilities, so it must be floating"),
        (np.zeros(3, int), np.zeros((3, 4)), {}, DTypeError, r"Are logits and target exchanged\?"),
        (
            np.zeros((3, 4)),
            np.zeros((3, 4)),
            {"ignore_index": 0},
            ArgumentError,
            r"ignore_index=0 is for class numbers",
        ),
        (np.zeros((3, 4)), np.zeros(3, int), {"reduction": "avg"}, ArgumentError, r"none, mean, sum, not 'avg'"),
        (np.zeros((3, 4)), np.zeros(3, int), {"label_smoothing": 1.5}, ArgumentError, r"between 0 and 1; it is 1.5"),
        (np.zeros((3, 4)), np.zeros(3, int), {"label_smoothing": -0.1}, ArgumentError, r"between 0 and 1; it is -0.1"),
        (np.zeros((3, 4)), np.zeros(3, int), {"weight": np.ones(3)}, ShapeError, r"weight must have shape \[4\]"),
        (np.zeros((3, 4)), np.zeros(3, int), {"weight": np.ones((4, 1))}, ShapeError, r"it is f64\[4, 1\]"),
        (
            np.zeros((3, 4)),
            np.zeros(3, int),
            {"weight": np.ones(4, "f")},
            DTypeError,
            r"weight.to\(chainrule.float64\)",
        ),
    ],
)
def test_what_makes_no_loss_is_refused(
    logits: Array, target: Array, options: dict[str, Any], error: type[ChainruleError], message: str
) -> None:
    given: dict[str, Any] = {
        name: Value(value) if isinstance(value, np.ndarray) else value for name, value in options.items()
    }
    with pytest.raises(error, match=message):
        cross_entropy(Value(logits), Value(target), **given)
