"""Reductions and what goes along a dimension agree with PyTorch's: values, gradients, element types, every form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import chainrule as cr
from tests.oracle.calls import Call, Numbers, assert_same, call, rows

DRAW = Numbers()
between, integers, normal = DRAW.between, DRAW.integers, DRAW.normal

X = normal(3, 4)
Z = normal(2, 3, 4)
K = integers(-4, 5, 3, 4)
B = K > 0
NONE = np.zeros((0, 3))
SCALAR = np.array(1.7)
DIMS = (None, 0, -1, (0, 2), (-1,), ())


@pytest.mark.parametrize("name", ["sum", "mean", "nansum", "nanmean", "amax", "amin", "var", "std", "logsumexp"])
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", DIMS)
def test_over_dimensions(name: str, dim: object, keepdim: bool) -> None:
    if name == "logsumexp" and dim in (None, ()):
        return
    if name in ("var", "std") and dim == ():
        dim = None  # PyTorch reduces everything then, but its gradient is infinite
    assert_same(call(name, Z, () if name in ("amax", "amin") and dim is None else dim, keepdim=keepdim))
    assert_same(call(name, Z, dim=0, keepdim=keepdim))
    assert_same(call(name, Z.astype(np.float32), dim=0, keepdim=keepdim), tolerance=1e-4)


@pytest.mark.parametrize("name", ["any", "all"])
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", DIMS)
def test_truth(name: str, dim: object, keepdim: bool) -> None:
    for x in (B[None], K[None], B[None].astype(np.uint8), B[None].astype(float)):
        assert_same(call(name, x.reshape(1, 3, 4), dim=dim, keepdim=keepdim))


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin", "cumsum", "cumprod", "sort", "argsort", "median"])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_along_a_dimension(name: str, dim: int) -> None:
    assert_same(call(name, Z, dim))
    assert_same(call(name, Z, dim=dim))
    assert_same(
        call(name, np.random.default_rng(0).integers(-90, 90, (2, 3, 4)) * 24 + np.arange(24).reshape(2, 3, 4), dim)
    )
    if name in ("max", "min", "argmax", "argmin", "median"):
        assert_same(call(name, Z, dim, True))
        assert_same(call(name, Z, dim=dim, keepdim=True))
        assert_same(call(name, Z))


WEIGHTS = between(0.1, 1, 3, 4)
ROWS = [
    call("sum", X),
    call("sum", X, axis=1, keepdims=True),
    call("sum", K),
    call("sum", B),
    call("sum", B, 0),
    call("sum", K.astype(np.int32)),
    call("sum", K.astype(np.uint8), 1),
    call("sum", K, dtype=np.dtype("float64")),
    call("sum", X, dtype=np.dtype("float32")),
    call("sum", NONE),
    call("sum", NONE, 0),
    call("sum", SCALAR),
    call("sum", SCALAR, 0),
    call("sum", SCALAR, -1, True),
    call("mean", K, dtype=np.dtype("float64")),
    call("mean", NONE),
    call("mean", NONE, 0),
    call("mean", SCALAR, 0),
    call("nansum", np.array([1.0, np.nan, 2.0])),
    call("nanmean", np.array([[1.0, np.nan], [2.0, 4.0]]), 0),
    call("prod", X),
    call("prod", X, 1),
    call("prod", X, 0, True),
    call("prod", K),
    call("prod", K, 1),
    call("prod", K, dtype=np.dtype("float64")),
    call("prod", np.array([1.0, 0.0, 3.0])),
    call("prod", np.array([0.0, 0.0, 3.0])),
    call("prod", NONE),
    call("count_nonzero", K),
    call("count_nonzero", K, 0),
    call("count_nonzero", K, dim=(0, 1)),
    call("var", X, unbiased=False),
    call("var", X, False),
    call("var", X, 0, True),
    call("var", X, 0, False, True),
    call("var", X, (0, 1), unbiased=True),
    call("var", X, correction=0),
    call("var", X, dim=1, correction=2, keepdim=True),
    call("std", X, 1, False),
    call("std", X, dim=0, correction=0),
    call("std", np.ones((3, 2)), 0),
    call("std", X, unbiased=False),
    call("var_mean", X, 1),
    call("var_mean", X, dim=0, correction=0, keepdim=True),
    call("std_mean", X),
    call("std_mean", X, 1, unbiased=False),
    call("amax", X),
    call("amax", np.array([1.0, 2.0, 2.0])),
    call("amin", K, 0),
    call("aminmax", X, dim=1),
    call("aminmax", X),
    call("aminmax", X, dim=0, keepdim=True),
    call("max", X, normal(4)),
    call("min", X, normal(3, 4)),
    call("max", K, integers(-4, 5, 4)),
    call("max", np.array([[1.0, np.nan, 3.0]]), 1),
    call("min", np.array([[1.0, np.nan, 3.0]]), 1),
    call("max", np.array([1.0, 3.0, 3.0])),
    call("max", B),
    call("max", SCALAR, 0),
    call("argmax", X),
    call("argmax", X, keepdim=True),
    call("argmin", X, 1, True),
    call("argmax", SCALAR),
    call("argmax", SCALAR, 0),
    call("any", B),
    call("all", B),
    call("any", NONE),
    call("all", NONE),
    call("all", SCALAR),
    call("logsumexp", X, (0, 1)),
    call("logsumexp", X, 1, True),
    call("logsumexp", X + 1000, dim=1),
    call("logsumexp", K, 0),
    call("logsumexp", SCALAR, 0),
    call("cumsum", K, 0),
    call("cumsum", B, 1),
    call("cumsum", K, 0, dtype=np.dtype("float64")),
    call("cumsum", SCALAR, 0),
    call("cumprod", np.array([[2.0, 0.0, 3.0, 4.0]]), 1),
    call("cumprod", SCALAR, 0),
    call("softmax", X, 1),
    call("softmax", X, dim=0),
    call("softmax", X, 1, dtype=np.dtype("float32")),
    call("softmax", K, 1, dtype=np.dtype("float64")),
    call("softmax", SCALAR, 0),
    call("log_softmax", Z, -2),
    call("log_softmax", X, dim=0),
    call("sort", X),
    call("sort", X, descending=True),
    call("sort", X, 0, True),
    call("sort", X, stable=True, dim=0),
    call("sort", np.array([1.0, np.nan, 0.0])),
    call("sort", SCALAR),
    call("argsort", X, 0, True),
    call("argsort", X, dim=1, descending=True),
    call("msort", X),
    call("topk", X, 2),
    call("topk", X, 2, 0),
    call("topk", X, 3, largest=False),
    call("topk", X, k=1, dim=0, largest=True, sorted=True),
    call("topk", SCALAR, 1),
    call("kthvalue", X, 2),
    call("kthvalue", X, 1, 0, True),
    call("median", np.array([3.0, 1.0, 2.0, 4.0])),
    call("median", np.array([[3.0, 5.0, 2.0], [1.0, 2.0, 3.0]]), 1),
    call("median", SCALAR),
    *[call("norm", X, p) for p in (2, 1, 0, 3, 1.5, float("inf"), -float("inf"), "fro", None, -1)],
    call("norm", X),
    call("norm", X, 2, 1),
    call("norm", X, p=1, dim=0, keepdim=True),
    call("norm", X, dim=(0, 1)),
    call("norm", np.zeros(3)),
    call("norm", np.zeros((2, 3)), 2, 1),
    call("norm", np.zeros(3), 3),
    call("norm", np.array([0.0, 1.0, -2.0]), 3),
    call("norm", np.array([0.0, 1.0, -2.0]), 1.5),
    call("norm", np.array([0.0, 1.0, -2.0]), 1),
    call("dist", X, normal(3, 4)),
    call("dist", X, normal(4), 1),
    call("dist", X, normal(4), p=3),
    call("bincount", integers(0, 5, 9)),
    call("bincount", integers(0, 5, 9), minlength=8),
    call("unique", integers(0, 5, 9)),
    call("unique", integers(0, 5, 3, 3), return_inverse=True, return_counts=True),
]


@pytest.mark.parametrize("row", rows(ROWS))
def test_rows(row: Call) -> None:
    assert_same(row)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("vector_norm", {}),
        ("vector_norm", {"ord": 1, "dim": 0}),
        ("vector_norm", {"ord": 3, "dim": (0, 1), "keepdim": True}),
        ("matrix_norm", {}),
        *[
            ("matrix_norm", {"ord": ord, "keepdim": keep})
            for ord in (1, -1, float("inf"), -float("inf"))
            for keep in (0, 1)
        ],
        ("norm", {}),
        ("norm", {"ord": 1}),
        ("norm", {"ord": 2, "dim": 1}),
        ("norm", {"ord": "fro", "dim": (0, 1)}),
    ],
)
def test_linalg(name: str, settings: dict[str, object]) -> None:
    ours = cr.tensor(X, requires_grad=True)
    theirs = torch.tensor(X, requires_grad=True)
    settings = {key: bool(value) if key == "keepdim" else value for key, value in settings.items()}
    found = getattr(cr.linalg, name)(ours, **settings)
    expected = getattr(torch.linalg, name)(theirs, **settings)
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-10)
    found.sum().backward()
    expected.sum().backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-10)
