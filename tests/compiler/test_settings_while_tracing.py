"""A setting that is given as a float argument of a compiled function: one clear error, which names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError, TracedValueError
from chainrule.nn import functional as F

X = cr.tensor([[1.0, 2.0], [3.0, 5.0]])
CASES: dict[str, tuple[Callable[[Any, Any], Any], float]] = {
    "layer_norm: `eps`": (lambda x, eps: F.layer_norm(x, (2,), eps=eps), 1e-5),
    "batch_norm: `eps`": (lambda x, eps: F.batch_norm(x, None, None, training=True, eps=eps), 1e-5),
    "huber_loss: `delta`": (lambda x, delta: F.huber_loss(x, x * 2, delta=delta), 0.5),
    "smooth_l1_loss: `beta`": (lambda x, beta: F.smooth_l1_loss(x, x * 2, beta=beta), 0.5),
    "round_?: `decimals`": (lambda x, decimals: x.round(decimals=decimals), 1.0),
    "dropout: `p`": (lambda x, p: F.dropout(x, p), 0.5),
    "softshrink: `lambd`": (lambda x, lambd: F.softshrink(x, lambd), 0.5),
    "pad: `value`": (lambda x, value: F.pad(x, (1, 1), value=value), 0.5),
}


@pytest.mark.parametrize("name", CASES)
def test_the_error_names_the_setting_and_the_line(name: str) -> None:
    function, number = CASES[name]
    function(X, number)
    with pytest.raises(TracedValueError, match=f"^{name} must be known .* a float argument .* a global") as caught:
        cr.compile(function)(X, number)
    assert "test_settings_while_tracing.py:" in str(caught.value)


@pytest.mark.parametrize("name", CASES)
def test_the_repair_works(name: str) -> None:
    function, number = CASES[name]
    assert cr.compile(lambda x: function(x, number))(X).shape == function(X, number).shape


def test_a_number_computed_from_an_argument_is_named_too() -> None:
    with pytest.raises(TracedValueError, match="huber_loss: `delta`"):
        cr.compile(lambda x, d: F.huber_loss(x, x, delta=d * 2))(X, 0.5)


def test_a_setting_that_is_computed_with_may_be_an_argument() -> None:
    step = cr.compile(lambda x, slope: F.leaky_relu(x, slope))
    assert step(-X, 0.5).tolist() == [[-0.5, -1], [-1.5, -2.5]]
    assert step(-X, 1.0).tolist() == [[-1, -2], [-3, -5]]
    assert step.traces == 1


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x, k: F.leaky_relu(x, k) + cr.ones(3), ShapeError, "do not broadcast"),
        (lambda x, k: F.huber_loss(x * k, x, delta=-1.0), ArgumentError, "not -1.0"),
        (lambda x, k: F.huber_loss(x * k, x[0], delta=0.5), ShapeError, "one shape"),
        (lambda x, k: x if k > 1 else -x, TracedValueError, "^bool: "),
        (lambda x, k: x * float(k), TracedValueError, "^float: "),
        (lambda x, k: x * k + dict[str, float]()["missing"], KeyError, "missing"),
    ],
    ids=["shape", "value", "other shape", "branch", "float", "error of the user's"],
)
def test_other_errors_stay_as_they_are(function: Callable[..., Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cr.compile(function)(X, 2.0)
