"""Indexing, masks and products agree with PyTorch's: values, gradients, element types, every form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import chainrule as cr
from tests.oracle.calls import Call, Numbers, assert_same, call, method, rows

DRAW = Numbers()
integers, normal = DRAW.integers, DRAW.normal

X, Z = normal(3, 4), normal(2, 3, 4)
K = integers(-4, 5, 3, 4)
MASK = K > 0
AT = np.array([[0, 2, 1, 0], [1, 1, 0, 2]])
ROW = np.array([2, 0, 2])

ROWS = [
    call("gather", X, 0, AT),
    call("gather", X, 1, AT[:, :2]),
    call("gather", X, dim=0, index=AT),
    call("gather", np.array(1.5), 0, np.array(0)),
    call("scatter", X, 0, AT[:1], normal(1, 4)),
    call("scatter", X, 1, AT[:, :1], normal(2, 1)),
    method("scatter", X, 0, AT, 1.5),
    call("scatter", X, 0, AT, value=2.0),
    call("scatter", K, 0, AT, value=2),
    call("scatter_add", X, 0, AT, normal(2, 4)),
    call("scatter_add", X, 1, AT, normal(2, 4)),
    call("index_select", X, 0, ROW),
    call("index_select", X, 1, np.array([3, 3, 0])),
    call("index_select", X, dim=-1, index=np.array(1)),
    call("index_add", X, 0, ROW, normal(3, 4)),
    call("index_add", X, 1, np.array([0, 0]), normal(3, 2), alpha=2.5),
    call("index_copy", X, 0, np.array([2, 0]), normal(2, 4)),
    call("index_copy", X, 1, np.array([1, 3]), normal(3, 2)),
    call("index_fill", X, 0, np.array([2, 0]), 1.5),
    call("index_fill", X, 1, np.array([1]), np.array(2.5)),
    call("index_put", X, (np.array([0, 1]), np.array([2, 3])), normal(2)),
    call("index_put", X, (np.array([0, 0]), np.array([2, 2])), normal(2), accumulate=True),
    call("index_put", X, [np.array([0, 1])], np.array(1.5)),
    call("take", X, np.array([0, 5, -1])),
    call("take", X, np.array([[0, 5], [1, 1]])),
    call("take_along_dim", X, AT, 0),
    call("take_along_dim", X, np.array([[0], [1], [2]]), 1),
    call("take_along_dim", X, np.array([0, 5, 3])),
    call("take_along_dim", normal(1, 4), np.array([[0, 0, 0, 0], [0, 0, 0, 0]]), dim=0),
    call("masked_fill", X, MASK, 1.5),
    call("masked_fill", X, MASK[0], np.array(2.5)),
    call("masked_fill", K, MASK, 7),
    call("masked_fill", X[0], MASK, -np.inf),
    call("masked_select", X, MASK),
    call("masked_select", X, MASK[0]),
    call("masked_select", X[0], MASK),
    call("tril", X),
    call("tril", Z, 1),
    call("triu", X, -1),
    call("triu", Z, diagonal=2),
    call("nonzero", K),
    call("nonzero", K, as_tuple=True),
    call("nonzero", np.array(3)),
    call("nonzero", np.array(0.0)),
    call("argwhere", MASK),
    # products
    call("matmul", X, normal(4, 2)),
    call("matmul", Z, normal(4)),
    call("matmul", normal(3), Z),
    call("matmul", normal(5, 1, 3, 4), normal(2, 4, 2)),
    call("mm", X, normal(4, 2)),
    call("bmm", Z, normal(2, 4, 5)),
    call("mv", X, normal(4)),
    call("dot", normal(4), normal(4)),
    call("vdot", normal(4), normal(4)),
    call("inner", X, normal(2, 4)),
    call("inner", normal(4), normal(4)),
    call("inner", X, np.array(2.0)),
    call("outer", normal(3), normal(2)),
    call("ger", normal(3), normal(2)),
    call("tensordot", Z, normal(3, 4, 2)),
    call("tensordot", Z, normal(4, 5), dims=1),
    call("tensordot", Z, normal(5, 4, 2), dims=([2, 0], [1, 2])),
    call("tensordot", X, normal(2), dims=0),
    call("addmm", normal(3, 2), X, normal(4, 2)),
    call("addmm", normal(2), X, normal(4, 2), beta=0.5, alpha=2),
    call("addmm", np.full((3, 2), np.nan), X, normal(4, 2), beta=0),
    call("addmv", normal(3), X, normal(4), alpha=3),
    call("addr", X, normal(3), normal(4), beta=2),
    call("baddbmm", normal(2, 3, 5), Z, normal(2, 4, 5), beta=-1, alpha=0.5),
    call("einsum", "ij,jk->ik", X, normal(4, 2)),
    call("einsum", "bij,bkj->bik", Z, normal(2, 5, 4)),
    call("einsum", "ii", normal(3, 3)),
    call("einsum", "...ij->...ji", Z),
    call("einsum", "ij,ij", [X, normal(3, 4)]),
]


@pytest.mark.parametrize("row", rows(ROWS))
def test_rows(row: Call) -> None:
    assert_same(row)


KEYS: dict[str, Any] = {
    "int": "x[1]",
    "negative": "x[-1, 0]",
    "slices": "x[:, 1:3, ::2]",
    "ellipsis": "x[..., -1]",
    "none": "x[None, :, 0, None]",
    "tensor_int": "x[lib.tensor(1)]",
    "numpy_int": "x[np.int64(1)]",
    "tensor_bounds": "x[:, lib.tensor(1) : lib.tensor(3)]",
    "list": "x[[1, 0, 1]]",
    "tensor": "x[lib.tensor([1, 0, 1])]",
    "pair": "x[lib.tensor([0, 1]), lib.tensor([2, 0])]",
    "apart": "x[lib.tensor([0, 1]), :, lib.tensor([2, 0])]",
    "int_and_list": "x[0, :, [1, 2]]",
    "broadcast": "x[lib.tensor([[0], [1]]), lib.tensor([2, 0])]",
    "array": "x[np.array([0, 1])]",
    "mask": "x[x > 0]",
    "mask_of_rows": "x[lib.tensor([True, False])]",
    "mask_in_the_middle": "x[:, lib.tensor([True, False, True]), 1:]",
    "list_of_bools": "x[[True, False]]",
    "true": "x[True]",
    "false": "x[False]",
    "empty": "x[[]]",
    "empty_slice": "x[1:1]",
}


@pytest.mark.parametrize("name", KEYS)
def test_reading_by_key(name: str) -> None:
    results, gradients = [], []
    for lib in (cr, torch):
        x = lib.tensor(Z, requires_grad=True)
        picked = eval(KEYS[name], {"lib": lib, "np": np}, {"x": x})
        (picked * lib.arange(picked.numel(), dtype=lib.float64).reshape(picked.shape)).sum().backward()
        results.append((tuple(picked.shape), picked.tolist()))
        gradients.append(x.grad.tolist())
    assert results[0] == results[1]
    assert gradients[0] == gradients[1]


@pytest.mark.parametrize("value", ["7.5", "lib.tensor(2.5, dtype=lib.float64)", "v", "3", "v[..., :1]"])
@pytest.mark.parametrize("name", sorted(set(KEYS) - {"false"}))
def test_writing_by_key(name: str, value: str) -> None:
    results = []
    for lib in (cr, torch):
        leaf = lib.tensor(Z, requires_grad=True)
        scope = {"x": leaf * 1.0, "lib": lib, "np": np}
        shape = eval(KEYS[name], scope).shape
        size = int(np.prod(shape, dtype=int))
        source = lib.arange(size, dtype=lib.float64).requires_grad_(True)
        scope["v"] = source.reshape(shape)
        if value == "v[..., :1]" and (not shape or size == 0):
            return
        exec(f"{KEYS[name]} = {value}", scope)
        x: Any = scope["x"]
        (x * lib.arange(24, dtype=lib.float64).reshape(2, 3, 4)).sum().backward()
        gradient = None if source.grad is None else source.grad.tolist()
        results.append((x.tolist(), leaf.grad.tolist(), gradient if "v" in value else None))
    if name in ("list", "tensor"):  # two values for x[1]: PyTorch gives both a gradient, here the one that stayed
        results = [(*found[:2], None) for found in results]
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "statement",
    [
        "x[0] += 1",
        "x[x > 0] *= 2",
        "x[:, [0, 2]] -= 1",
        "x[..., 0].fill_(3)",
        "x[0][1][2] = 9",
        "x[1] = x[0]",
        "x[:, 0], x[:, 1] = x[:, 1].clone(), x[:, 0].clone()",
        "x[0, 0, 0] = True",
        "x[0] = np.ones(4)",
        "x[0, 1] = x[1, 1] * 2",
    ],
)
def test_statements(statement: str) -> None:
    results = []
    for lib in (cr, torch):
        x = lib.tensor(Z)
        exec(statement if lib is cr else statement.replace("np.ones(4)", "lib.ones(4)"), {"x": x, "np": np, "lib": lib})
        results.append(x.tolist())
    assert results[0] == results[1]


def test_where_as_a_method() -> None:
    for other in (0.0, 2, Z[::-1].copy()):
        results = []
        for lib in (cr, torch):
            x = lib.tensor(Z, requires_grad=True)
            y = x.where(x > 0, lib.tensor(other) if isinstance(other, np.ndarray) else other)
            y.sum().backward()
            results.append((y.tolist(), x.grad.tolist()))
        assert results[0] == results[1]


def test_one_hot() -> None:
    labels = np.array([[0, 3, 1], [2, 2, 0]])
    for settings in ({}, {"num_classes": 6}):
        found = cr.one_hot(cr.tensor(labels), **settings)
        expected = torch.nn.functional.one_hot(torch.tensor(labels), **settings)
        assert found.tolist() == expected.tolist()
        assert found.dtype is cr.int64
