"""Activations agree with PyTorch's: as functions, with their gradients, at their kinks, in place, and as modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F
from tests.oracle.functions import assert_equal, assert_same_function, assert_same_module, backward

RNG = np.random.default_rng(0)
# both sides, large, and the places where a formula changes
X = np.concatenate([RNG.standard_normal(20) * 3, [0, 1, -1, 0.5, -0.5, 3, -3, 6, 20, -20, 800, -800]]).reshape(4, 8)

FUNCTIONS: list[tuple[str, dict[str, Any]]] = [
    ("relu", {}),
    ("relu6", {}),
    ("leaky_relu", {}),
    ("leaky_relu", {"negative_slope": 0.3}),
    ("elu", {}),
    ("elu", {"alpha": 0.7}),
    ("selu", {}),
    ("celu", {"alpha": 0.5}),
    ("gelu", {}),
    ("gelu", {"approximate": "tanh"}),
    ("silu", {}),
    ("mish", {}),
    ("sigmoid", {}),
    ("tanh", {}),
    ("logsigmoid", {}),
    ("softplus", {}),
    ("softplus", {"beta": 2.5, "threshold": 5}),
    ("softsign", {}),
    ("tanhshrink", {}),
    ("hardtanh", {}),
    ("hardtanh", {"min_val": -0.5, "max_val": 3.0}),
    ("hardsigmoid", {}),
    ("hardswish", {}),
    ("hardshrink", {}),
    ("softshrink", {"lambd": 1.0}),
    ("threshold", {"threshold": 0.5, "value": -7.0}),
    ("glu", {}),
    ("glu", {"dim": 0}),
    ("softmax", {"dim": 1}),
    ("softmax", {"dim": -2}),
    ("softmin", {"dim": 1}),
    ("log_softmax", {"dim": 0}),
]
NAMES = [f"{name}{settings or ''}" for name, settings in FUNCTIONS]


# PyTorch computes the derivative of this with a float32 constant, 1/6
ROUNDED = {"hardsigmoid": 1e-7}


@pytest.mark.parametrize(("name", "settings"), FUNCTIONS, ids=NAMES)
def test_function(name: str, settings: dict[str, Any]) -> None:
    ours, theirs = getattr(F, name), getattr(torch.nn.functional, name)
    assert_same_function(ours, theirs, X, gradient_tolerance=ROUNDED.get(name, 1e-10), **settings)


def test_the_derivative_of_hardsigmoid_is_a_sixth_to_the_last_digit() -> None:
    x, g = cr.tensor(X, requires_grad=True), RNG.standard_normal(X.shape)
    F.hardsigmoid(x).backward(cr.tensor(g))
    np.testing.assert_allclose(x.grad.numpy(), np.where(np.abs(X) < 3, g / 6, 0), rtol=1e-15)


@pytest.mark.parametrize(("name", "settings"), FUNCTIONS, ids=NAMES)
def test_nan_stays(name: str, settings: dict[str, Any]) -> None:
    if name in ("hardsigmoid", "hardswish"):  # PyTorch's derivatives at NaN are 0 and 1, ours 1/6 and NaN
        assert np.isnan(getattr(F, name)(cr.tensor([np.nan])).numpy()).all()
        return
    x = np.array([[np.nan, 1.0], [0.5, -2.0]])
    assert_same_function(getattr(F, name), getattr(torch.nn.functional, name), x, **settings)


@pytest.mark.parametrize("name", ["relu", "relu6", "leaky_relu", "elu", "selu", "celu", "silu", "mish", "hardtanh"])
def test_in_place(name: str) -> None:
    mine, other = cr.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    written, expected = mine * 1, other * 1
    found = getattr(F, name)(written, inplace=True)
    assert found is written
    assert_equal(written, getattr(torch.nn.functional, name)(expected, inplace=True), 1e-10)
    backward(written, expected)
    assert_equal(mine.grad, other.grad, 1e-10)


@pytest.mark.parametrize("name", ["relu_", "elu_", "selu_", "celu_", "leaky_relu_", "hardtanh_"])
def test_names_that_write(name: str) -> None:
    mine, other = cr.tensor(X), torch.tensor(X)
    assert getattr(F, name)(mine) is mine
    getattr(torch.nn.functional, name)(other)
    assert_equal(mine, other, 1e-10)


@pytest.mark.parametrize("count", [1, 8])
def test_prelu(count: int) -> None:
    assert_same_function(F.prelu, torch.nn.functional.prelu, X, RNG.standard_normal(count))
    assert_same_module(nn.PReLU(count, init=0.1), torch.nn.PReLU(count, init=0.1), [X], [X.reshape(2, 8, 2)])


MODULES: list[tuple[str, tuple[Any, ...]]] = [
    ("ReLU", ()),
    ("ReLU6", ()),
    ("LeakyReLU", (0.2,)),
    ("ELU", (0.7,)),
    ("SELU", ()),
    ("CELU", (0.5,)),
    ("GELU", ()),
    ("GELU", ("tanh",)),
    ("SiLU", ()),
    ("Mish", ()),
    ("Sigmoid", ()),
    ("Tanh", ()),
    ("LogSigmoid", ()),
    ("Softplus", (2.5, 5)),
    ("Softsign", ()),
    ("Tanhshrink", ()),
    ("Hardtanh", (-0.5, 3.0)),
    ("Hardsigmoid", ()),
    ("Hardswish", ()),
    ("Hardshrink", (0.7,)),
    ("Softshrink", (0.7,)),
    ("Threshold", (0.5, -7.0)),
    ("GLU", (0,)),
    ("Softmax", (1,)),
    ("LogSoftmax", (-1,)),
    ("Softmin", (1,)),
    ("Identity", ()),
    ("Flatten", (0,)),
    ("Unflatten", (1, (2, -1))),
]


@pytest.mark.parametrize(("name", "arguments"), MODULES, ids=[f"{name}{arguments}" for name, arguments in MODULES])
def test_module(name: str, arguments: tuple[Any, ...]) -> None:
    ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments)
    assert_same_module(ours, theirs, [X], tolerance=ROUNDED.get(name.lower(), 1e-10))
    assert repr(ours) == repr(theirs)


def test_softmax2d() -> None:
    assert_same_module(nn.Softmax2d(), torch.nn.Softmax2d(), [RNG.standard_normal((2, 3, 2, 2))])
