"""Shapes, parts, joining and rearranging agree with PyTorch's: values, gradients, strides, and writes through views."""

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
V = normal(6)
K = integers(-4, 5, 3, 4)
SCALAR = np.array(1.7)
NONE = np.zeros((0, 3))

ROWS = [
    call("view", X, 12),
    call("view", X, -1, 6),
    call("view", X, (2, 6)),
    call("view", X, [4, 3]),
    call("view", NONE, 3, 0),
    method("reshape", X, 2, 6),
    call("reshape", X, (-1,)),
    call("reshape", SCALAR, (1, 1)),
    call("reshape", np.ones((1, 1)), ()),
    call("view_as", X, normal(2, 6)),
    call("reshape_as", X, normal(2, 6)),
    call("flatten", Z),
    call("flatten", Z, 1),
    call("flatten", Z, 0, 1),
    call("flatten", Z, start_dim=-2, end_dim=-1),
    call("flatten", SCALAR),
    call("flatten", X, 1, 1),
    call("ravel", Z),
    call("unflatten", V, 0, (2, 3)),
    call("unflatten", Z, -1, (2, -1)),
    call("unflatten", Z, dim=1, sizes=(3, 1)),
    call("squeeze", normal(1, 3, 1)),
    call("squeeze", normal(1, 3, 1), 0),
    call("squeeze", normal(1, 3, 1), 1),
    call("squeeze", normal(1, 3, 1), (0, -1)),
    call("squeeze", SCALAR, 0),
    call("unsqueeze", X, 0),
    call("unsqueeze", X, -1),
    call("unsqueeze", SCALAR, dim=0),
    method("permute", Z, 2, 0, 1),
    call("permute", Z, (2, 0, 1)),
    call("permute", Z, dims=(0, -1, 1)),
    call("permute", SCALAR, ()),
    call("transpose", Z, 0, 2),
    call("transpose", Z, -1, -2),
    call("transpose", SCALAR, 0, 0),
    call("swapaxes", Z, 0, 1),
    call("swapdims", Z, 0, 1),
    call("t", X),
    call("t", V),
    call("t", SCALAR),
    call("adjoint", Z),
    call("movedim", Z, 0, 2),
    call("movedim", Z, (0, 1), (-1, 0)),
    call("moveaxis", Z, 2, 0),
    call("expand", normal(3, 1), 3, 4),
    call("expand", normal(3, 1), (2, -1, 4)),
    call("expand", SCALAR, 2, 2),
    call("expand", normal(1), 0),
    call("expand_as", normal(4), X),
    call("broadcast_to", normal(4), (3, 4)),
    call("broadcast_tensors", normal(4), normal(3, 1)),
    call("meshgrid", normal(2), normal(3), indexing="ij"),
    call("meshgrid", normal(2), normal(3), normal(4), indexing="xy"),
    call("meshgrid", [normal(2), np.array(1.0)], indexing="ij"),
    call("contiguous", X),
    call("is_contiguous", X),
    call("stride", Z),
    call("stride", Z, 1),
    call("clone", X),
    # parts
    call("narrow", X, 1, 1, 2),
    call("narrow", X, 1, -2, 1),
    call("narrow", X, 0, np.array(1), 0),
    call("select", X, 1, 2),
    call("select", X, 0, -1),
    call("select", V, 0, 1),
    call("unbind", X),
    call("unbind", X, 1),
    call("split", X, 2),
    call("split", X, 3, dim=1),
    call("split", X, [1, 3], 1),
    call("split", X, [0, 4], dim=-1),
    call("split", NONE, 2),
    call("split_with_sizes", X, [1, 2]),
    call("chunk", X, 2),
    call("chunk", X, 3, 1),
    call("chunk", normal(5), 4),
    call("chunk", NONE, 3),
    call("tensor_split", normal(7), 3),
    call("tensor_split", normal(7), (2, 5)),
    call("tensor_split", normal(7), (5, 2, 9)),
    call("tensor_split", X, 3, dim=1),
    call("diagonal", X),
    call("diagonal", X, 1),
    call("diagonal", Z, -1, 2, 0),
    call("diagonal", X, 9),
    call("diag", X),
    call("diag", X, -1),
    call("diag", normal(3)),
    call("diag", normal(3), 1),
    call("diag", normal(3), diagonal=-2),
    call("diag_embed", X),
    call("diag_embed", X, 1, 0, 2),
    call("diag_embed", X, offset=-1, dim1=2, dim2=0),
    call("diagflat", X),
    call("diagflat", X, 1),
    call("trace", X),
    # joining
    call("cat", [X, normal(2, 4)]),
    call("cat", (X, normal(3, 2)), 1),
    call("cat", [X, normal(3, 2)], dim=-1),
    call("cat", [X, np.zeros(0)]),
    call("cat", [X, K]),
    call("cat", [X]),
    call("concat", [X, X]),
    call("concatenate", [X, X], axis=1),
    call("stack", [X, normal(3, 4)]),
    call("stack", [X, K], 1),
    call("stack", (SCALAR, SCALAR), dim=-1),
    call("stack", [X], dim=2),
    call("vstack", [V, V]),
    call("vstack", [X, normal(4)]),
    call("row_stack", [V, V]),
    call("hstack", [V, V]),
    call("hstack", [X, normal(3, 1)]),
    call("hstack", [SCALAR, V]),
    call("dstack", [X, X]),
    call("dstack", [V, V]),
    call("dstack", [SCALAR, normal(1)]),
    call("column_stack", [V, V]),
    call("column_stack", [normal(3), X]),
    call("atleast_1d", SCALAR),
    call("atleast_2d", V),
    call("atleast_2d", [SCALAR, V]),
    call("atleast_3d", X),
    call("atleast_3d", V),
    call("atleast_3d", SCALAR),
    call("block_diag", X, normal(2, 1), normal(3)),
    # repeated, rearranged
    call("repeat", X, 2, 3),
    call("repeat", X, 2, 1, 1),
    call("repeat", X, (2, 0)),
    call("repeat", V, 3),
    call("repeat", SCALAR, 2),
    call("tile", X, (2,)),
    call("tile", X, (2, 1, 3)),
    call("repeat_interleave", X, 2),
    call("repeat_interleave", X, 2, 1),
    call("repeat_interleave", X, np.array([1, 0, 2]), dim=0),
    call("repeat_interleave", V, np.array([2])),
    method("flip", X, 0),
    call("flip", X, (0, 1)),
    call("flip", X, dims=(-1,)),
    call("flip", X, ()),
    call("fliplr", X),
    call("flipud", V),
    call("roll", X, 1),
    call("roll", X, -5),
    call("roll", X, (1, -2), (0, 1)),
    call("roll", X, shifts=3, dims=1),
    *[call("rot90", X, k) for k in range(-1, 5)],
    call("rot90", Z, 1, (2, 0)),
]


@pytest.mark.parametrize("row", rows(ROWS))
def test_rows(row: Call) -> None:
    assert_same(row)


def test_transposing_properties() -> None:
    for name in ("T", "mT"):
        x, y = cr.tensor(X), torch.tensor(X)
        assert getattr(x, name).tolist() == getattr(y, name).tolist()
        assert getattr(x, name).stride() == getattr(y, name).stride()


VIEWS = {
    "view": "x.view(4, 6)",
    "reshape": "x.reshape(-1)",
    "flatten": "x.flatten(1)",
    "unflatten": "x.unflatten(2, (2, 2))",
    "transpose": "x.transpose(0, 2)",
    "permute": "x.permute(1, 2, 0)",
    "mT": "x.mT",
    "reshape_of_transpose": "x.transpose(0, 1).reshape(6, 4)",
    "reshape_of_transpose_that_is_a_view": "x.transpose(0, 1).reshape(3, 2, 2, 2)",
    "view_of_slice": "x[:, 1:, :].view(2, 8)",
    "view_of_strided": "x[:, ::2].transpose(1, 2).unsqueeze(0)",
    "flatten_of_rows": "x[1:].flatten()",
    "squeeze": "x[:1].squeeze()",
    "unsqueeze": "x.unsqueeze(1)",
    "narrow": "x.narrow(2, 1, 2)",
    "select": "x.select(1, 2)",
    "split": "x.split(2, 2)[1]",
    "chunk": "x.chunk(2, 1)[0]",
    "tensor_split": "x.tensor_split(2, 2)[0]",
    "unbind": "x.unbind(2)[3]",
    "diagonal": "x.diagonal(1, 1, 2)",
    "diagonal_below": "x.diagonal(-1, 2, 0)",
    "movedim": "x.movedim(0, -1)",
    "swapaxes": "x.swapaxes(0, 1)",
    "detach": "x.detach()",
    "data": "x.data",
    "view_as": "x.view_as(lib.zeros(24))",
    "expand_nothing": "x.expand(2, 3, 4)",
    "ellipsis": "x[..., 1]",
    "new_axis": "x[:, None, 1:3]",
    "stepped": "x[::2, 1::2, ::3]",
    "flip_copies": "x.flip(0)",
    "contiguous_copies": "x.mT.contiguous()",
    "contiguous": "x.contiguous()",
    "advanced_copies": "x[[0, 1]]",
    "mask_copies": "x[x > 5]",
    "chain": "x.view(6, 4).t()[1:3].reshape(2, 6)",
    "ravel": "x.ravel()",
    "iterated": "list(x)[1]",
    "to_same": "x.to(x.dtype)",
    "clone": "x.clone()",
    "atleast": "lib.atleast_2d(x)",
}


@pytest.mark.parametrize("name", VIEWS)
def test_strides_and_writes_through(name: str) -> None:
    outcomes: list[Any] = []
    for lib in (cr, torch):
        x = lib.arange(24, dtype=lib.float64).reshape(2, 3, 4)
        view = eval(VIEWS[name], {"lib": lib}, {"x": x})
        strides = [s for s, n in zip(view.stride(), view.shape, strict=True) if n > 1]
        view.mul_(10)
        view.reshape(-1)[0] = -1
        x.view(-1)[5] = 77
        outcomes.append((strides, view.tolist(), x.tolist(), view.is_contiguous()))
    assert outcomes[0] == outcomes[1]


# PyTorch refuses the writes to one of several views; ours reach the base. detach and data are outside the tape.
NOT_IN_A_TAPE = {"mask_copies", "detach", "data", "split", "chunk", "unbind", "iterated", "tensor_split"}


@pytest.mark.parametrize("name", sorted(set(VIEWS) - NOT_IN_A_TAPE))
def test_gradients_through_written_views(name: str) -> None:
    gradients = []
    for lib in (cr, torch):
        leaf = lib.arange(24, dtype=lib.float64).reshape(2, 3, 4).requires_grad_(True)
        x = leaf * 1.0
        view = eval(VIEWS[name], {"lib": lib}, {"x": x})
        view.mul_(lib.arange(view.numel(), dtype=lib.float64).reshape(view.shape))
        (x * x).sum().backward()
        gradients.append(leaf.grad.tolist())
    assert gradients[0] == gradients[1]
