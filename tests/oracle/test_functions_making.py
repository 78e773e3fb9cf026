"""Factories, conversions and type rules agree with PyTorch's."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import chainrule as cr

EXPRESSIONS = """
lib.tensor(3)
lib.tensor(3.5)
lib.tensor(True)
lib.tensor([1, 2])
lib.tensor([1, 2.5])
lib.tensor([True, 2])
lib.tensor([[1.0, 2], [3, 4]])
lib.tensor([])
lib.tensor([[], []])
lib.tensor((1, 2))
lib.tensor(range(3))
lib.tensor([1.7, -1.7], dtype=lib.int64)
lib.tensor([1, 2], dtype=lib.float64)
lib.tensor([0.0, 2.0], dtype=lib.bool)
lib.tensor(np.float64(1.5))
lib.tensor(np.float32(1.5))
lib.tensor([np.float64(1.5)])
lib.tensor([np.float32(1.5), np.float32(2)])
lib.tensor([np.int32(1)])
lib.tensor(np.int16(1))
lib.tensor(np.arange(3, dtype=np.int32))
lib.tensor(np.ones((2, 2)))
lib.tensor(np.array([True]))
lib.tensor(np.float32([1, 2]), dtype=lib.int64)
lib.tensor([lib.tensor(1.5), 2])
lib.tensor([[lib.tensor([1]), 2]])
lib.tensor([lib.tensor(1), lib.tensor(2)])
lib.as_tensor([1, 2])
lib.as_tensor(np.ones(2), dtype=lib.float32)
lib.from_numpy(np.arange(3))
lib.as_tensor(lib.ones(2), dtype=lib.int64)
lib.zeros(2, 3)
lib.zeros((2, 3))
lib.zeros(size=(2,))
lib.zeros(())
lib.ones([2])
lib.zeros(0, 2)
lib.ones(2, dtype=lib.int64)
lib.ones(2, dtype=lib.bool)
lib.full((2,), 3)
lib.full((2,), 3.0)
lib.full((2,), True)
lib.full((), 2, dtype=lib.float64)
lib.full([1], lib.tensor(2.5))
lib.zeros_like(lib.ones(2, 3))
lib.ones_like(lib.ones(2), dtype=lib.int32)
lib.full_like(lib.ones(2), 7)
lib.full_like(lib.tensor([1]), 7.9)
lib.ones(2, dtype=lib.float64).new_zeros(3)
lib.ones(2).new_ones((2, 1))
lib.ones(2).new_full((2,), 3)
lib.ones(2, dtype=lib.float64).new_tensor([1, 2])
lib.ones(2).new_zeros(2, dtype=lib.int64)
lib.arange(5)
lib.arange(5.0)
lib.arange(1, 4)
lib.arange(5, 0, -2)
lib.arange(0, 1, 0.3)
lib.arange(1, 2.5, 0.5)
lib.arange(3, dtype=lib.float32)
lib.arange(0)
lib.arange(2.5, dtype=lib.int64)
lib.arange(lib.tensor(3))
lib.arange(start=1, end=3)
lib.arange(0, 2, 0.7, dtype=lib.float64)
lib.linspace(0, 1, 5)
lib.linspace(-3, 3, 4, dtype=lib.float64)
lib.linspace(0, 1, 1)
lib.linspace(0, 1, 0)
lib.linspace(0, 10, 5, dtype=lib.int64)
lib.linspace(5, 1, steps=3)
lib.logspace(0, 2, 3, dtype=lib.float64)
lib.logspace(0, 3, 4, base=2, dtype=lib.float64)
lib.eye(3)
lib.eye(2, 3, dtype=lib.int64)
lib.eye(0)
lib.ones(3).fill_(2)
lib.ones(3, dtype=lib.int64).fill_(2.9)
lib.ones(2).fill_(lib.tensor(2.5))
lib.ones(3).zero_()
lib.ones(2, 3).copy_(lib.arange(3))
lib.ones(2, dtype=lib.int64).copy_(lib.tensor([1.9, -1.9]))
lib.tensor([1.7, -1.7]).to(lib.int64)
lib.tensor([1.7]).long()
lib.tensor([0, 2]).bool()
lib.tensor([1.7]).double()
lib.tensor([1]).float()
lib.tensor([1.9]).int()
lib.tensor([1]).short()
lib.tensor([1.5]).to('cpu')
lib.tensor([1]).to('cpu', lib.float64)
lib.tensor([1]).to(lib.ones(1))
lib.tensor([1]).to(dtype=lib.float64, copy=True)
lib.tensor([1.5]).type(lib.int32)
lib.tensor([1]).type_as(lib.ones(1, dtype=lib.float64))
lib.tensor([1.5]).to(device='cpu', non_blocking=True)
lib.tensor([1, 2]) + 1.5
lib.tensor([1, 2]) / 2
lib.tensor([1, 2]) // 2
lib.tensor([-1, 2]) % 2
2 - lib.tensor([1.0, 2])
2 / lib.tensor([1, 2])
2 ** lib.tensor([1, 2])
7 // lib.tensor([2, 3])
7 % lib.tensor([2, 3])
-lib.tensor([1, 2])
+lib.tensor([1, 2])
abs(lib.tensor([-1, 2]))
~lib.tensor([True, False])
~lib.tensor([1, 2])
lib.tensor([True]) & lib.tensor([False])
lib.tensor([1, 2]) | 4
4 ^ lib.tensor([1, 2])
lib.tensor([1, 2]) == 1
1 < lib.tensor([1, 2])
lib.tensor([1, 2]) != lib.tensor([1, 3])
lib.ones(2, 2) @ lib.ones(2)
lib.tensor([1.0]) + np.float64(2)
np.float64(2) * lib.tensor([1.0])
lib.tensor([1.0]) + np.array([1.0])
lib.tensor(1.0) + lib.ones(1, dtype=lib.float64)
lib.tensor(1.0, dtype=lib.float64) + lib.ones(1)
lib.tensor(1) + lib.ones(1)
lib.tensor([1]) * lib.tensor(1.5)
lib.tensor([True]) + 1
lib.tensor([True]) * lib.tensor([2.5])
lib.tensor([1], dtype=lib.uint8) + 1
lib.tensor([1], dtype=lib.uint8) - lib.tensor([2], dtype=lib.uint8)
lib.tensor([200], dtype=lib.uint8) * 2
lib.sum(lib.ones(2), 0, out=lib.zeros(()))
lib.add(lib.ones(2), 1, out=lib.zeros(2))
lib.exp(lib.zeros(2), out=lib.ones(2))
lib.result_type(lib.tensor([1]), 1.5)
lib.result_type(lib.ones(1), lib.ones((), dtype=lib.float64))
lib.promote_types(lib.int32, lib.float32)
lib.finfo(lib.float32).eps
lib.iinfo(lib.int32).max
lib.relu_(lib.tensor([-1.0, 2]))
lib.is_tensor(lib.ones(1))
lib.is_tensor(1)
lib.is_floating_point(lib.ones(1))
lib.numel(lib.ones(2, 3))
lib.ones(2, 3).size()
lib.ones(2, 3).size(-1)
lib.ones(2, 3).shape.numel()
lib.ones(2, 3).dim()
lib.ones(2, 3).ndim
lib.ones(2, 3).numel()
lib.ones(2, 3).nelement()
lib.ones(2).element_size()
lib.ones(2).nbytes
lib.ones(2).itemsize
lib.ones(2).is_cuda
lib.ones(2).is_floating_point()
lib.ones(2).device.type
str(lib.ones(2).device)
repr(lib.ones(2).device)
lib.ones(2).device == lib.device('cpu')
lib.broadcast_shapes((2, 1), (3,))
lib.tensor([1.5]).item()
lib.tensor(3).item()
lib.tensor([True]).item()
lib.tensor([[1, 2]]).tolist()
lib.tensor(1.5).tolist()
float(lib.tensor([1.5]))
int(lib.tensor(2.7))
bool(lib.tensor([0.0]))
[10, 20][lib.tensor(1)]
list(range(lib.tensor([3])))
len(lib.ones(2, 3))
2 in lib.tensor([1, 2])
5 in lib.tensor([1, 2])
[x.item() for x in lib.arange(3)]
f'{lib.tensor(1.23456):.3f}'
f'{lib.tensor(2)}'
lib.tensor([1.5]).numpy().tolist()
np.asarray(lib.tensor([1.5])).dtype.name
np.exp(lib.zeros(2))
np.add(lib.ones(2), 1)
np.asarray(lib.tensor([1.5]), dtype=np.float64).dtype.name
np.exp(np.asarray(lib.zeros(2))).tolist()
lib.tensor([1.0]) == None
lib.tensor([1.0]) is None
hash(lib.ones(1)) is not None
lib.ones(2).requires_grad
lib.ones(2, requires_grad=True).requires_grad
lib.rand(2, requires_grad=True).is_leaf
lib.ones(1, requires_grad=True).detach().requires_grad
(lib.ones(1, requires_grad=True) * 2).is_leaf
lib.ones(2, 1, requires_grad=True).data.requires_grad
lib.get_default_dtype()
lib.rand(2, 3).shape
lib.randn((2,)).dtype
lib.randint(3, (2,)).dtype
lib.randint(0, 5, (2, 3)).shape
lib.randint(0, 9, (2,), dtype=lib.float64).dtype
lib.randperm(4).sort()[0]
lib.rand_like(lib.ones(2)).shape
lib.randn_like(lib.ones(2, dtype=lib.float64)).dtype
lib.randint_like(lib.ones(2), 3).dtype
lib.bernoulli(lib.tensor([0.0, 1.0]))
lib.bernoulli(lib.ones(3), p=0.0)
lib.normal(0.0, 1.0, (2,)).shape
lib.normal(lib.zeros(3), lib.zeros(3))
lib.normal(lib.ones(3), 0.0)
lib.normal(1.0, lib.zeros(3))
lib.ones(3).uniform_(2, 2)
lib.ones(3).normal_(5, 0)
lib.ones(3).bernoulli_(0)
lib.ones(3).bernoulli_(lib.zeros(3))
lib.ones(4).random_(1)
lib.ones(3).uniform_().shape
lib.multinomial(lib.tensor([0.0, 1.0, 0.0]), 4, replacement=True)
lib.multinomial(lib.tensor([[0.0, 1.0], [2.0, 0.0]]), 1)
lib.Generator().initial_seed()
lib.Generator().manual_seed(7).initial_seed()
lib.manual_seed(-1).initial_seed()
lib.Generator().device.type
""".strip().splitlines()


def plain(thing: Any) -> Any:
    """A result without its library."""
    if isinstance(thing, cr.Tensor | torch.Tensor):
        return (str(thing.dtype).rpartition(".")[2], tuple(thing.shape), thing.requires_grad, thing.tolist())
    if isinstance(thing, cr.DType | torch.dtype):
        return str(thing).rpartition(".")[2]
    if isinstance(thing, torch.Size | cr.Size):
        return tuple(thing)
    return thing


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_same_as_pytorch(expression: str) -> None:
    mine = plain(eval(expression, {"lib": cr, "np": np}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of slow conversions
        other = plain(eval(expression, {"lib": torch, "np": np}))
    if isinstance(other, tuple) and len(other) == 4:
        assert mine[:3] == other[:3]
        np.testing.assert_allclose(np.array(mine[3], float), np.array(other[3], float), rtol=1e-6)
    else:
        assert mine == pytest.approx(other) if isinstance(other, float) else mine == other


ERRORS = """
lib.tensor([1, 2]).item()
lib.tensor([[1, 2], [3]])
lib.tensor('a')
lib.tensor(None)
lib.tensor(2**63)
lib.tensor([lib.ones(2), lib.ones(2)])
lib.tensor([1], requires_grad=True)
lib.zeros()
lib.zeros(-1)
lib.arange(0, 5, 0)
lib.arange(5, 0)
lib.eye(-1)
lib.full((2,), 'a')
lib.rand(2, dtype=lib.int64)
lib.randint(3, 3, (2,))
lib.ones(2).uniform_(2, 1)
lib.ones(2).normal_(0, -1)
lib.ones(2).long().uniform_()
lib.bernoulli(lib.tensor([2.0]))
lib.normal(0.0, -1.0, (2,))
lib.set_default_dtype(lib.int64)
bool(lib.ones(2))
bool(lib.ones(0))
float(lib.ones(2))
[1, 2][lib.tensor(1.0)]
len(lib.tensor(1))
list(lib.tensor(1))
lib.ones(2, requires_grad=True).numpy()
np.asarray(lib.ones(2, requires_grad=True))
f'{lib.ones(2):.3f}'
lib.exp(2.0)
lib.exp([1.0])
lib.ones(2) + 'a'
lib.ones(2) + [1.0]
lib.ones(2) + lib.ones(3)
lib.ones(2).add_(lib.ones(2, 2))
lib.ones(2, dtype=lib.int64).add_(1.5)
lib.ones(2, dtype=lib.int64).div_(2)
lib.tensor([1]) ** -1
lib.tensor([True]) - lib.tensor([True])
-lib.tensor([True])
lib.add(lib.tensor([1]), 1, alpha=0.5)
lib.tensor([1, 2]).mean()
lib.tensor([1]).var()
lib.ones(2).sum(1)
lib.ones(2).sum((0, 0))
lib.ones(0).max()
lib.ones(2, 0).argmax(1)
lib.ones(2).view(3)
lib.ones(2, 3).t().view(6)
lib.ones(2).view(-1, -1)
lib.ones(2).expand(3)
lib.ones(2).reshape(3)
lib.ones(2).squeeze(3)
lib.ones(2, 2).permute(0)
lib.ones(2, 2).permute(0, 0)
lib.ones(2, 2, 2).t()
lib.cat([])
lib.cat([lib.ones(2), lib.ones(2, 2)])
lib.cat([lib.tensor(1)])
lib.stack([lib.ones(2), lib.ones(3)])
lib.cat(lib.ones(2))
lib.ones(3).split([1, 1])
lib.ones(3).chunk(0)
lib.ones(3).narrow(0, 2, 2)
lib.ones(3)[3]
lib.ones(3)[0, 0]
lib.ones(3)[::-1]
lib.ones(3)[[5]]
lib.ones(3)[1.0]
lib.ones(3)[lib.tensor([True])]
lib.ones(3).__setitem__(0, [1.0])
lib.ones(3).__setitem__(slice(None), lib.ones(2))
lib.ones(3).gather(0, lib.tensor([3]))
lib.ones(3).gather(0, lib.tensor([1.0]))
lib.ones(3).scatter(0, lib.tensor([3]), 1.0)
lib.ones(3).index_select(0, lib.tensor([3]))
lib.ones(3).masked_fill(lib.tensor([1, 0, 1]), 0.0)
lib.where(lib.tensor([1.5]), 1.0, 2.0)
lib.ones(2, 3) @ lib.ones(2, 3)
lib.mm(lib.ones(2), lib.ones(2))
lib.dot(lib.ones(2, 2), lib.ones(2))
lib.ones(2, 2) @ lib.ones(2, 2, dtype=lib.float64)
lib.bmm(lib.ones(2, 1, 1), lib.ones(3, 1, 1))
lib.einsum('ij,jk', lib.ones(2, 3), lib.ones(2, 3))
lib.ones(2).topk(3)
lib.ones(2).clamp()
lib.ones(2).softmax(1)
lib.ones(2).backward()
lib.ones(2, requires_grad=True).backward()
lib.ones(2, requires_grad=True).add_(1)
lib.ones(2).requires_grad_().mul(2).requires_grad_(False)
copy.deepcopy(lib.ones(1, requires_grad=True) * 2)
lib.ones(2).no_such_name
lib.no_such_name
setattr(lib.ones(2, requires_grad=True), 'data', lib.tensor([1]))
lib.device('nowhere')
lib.div(1, 2, rounding_mode='x')
lib.isclose(lib.ones(1), lib.ones(1, dtype=lib.float64))
lib.lerp(lib.ones(1), lib.ones(1, dtype=lib.float64), 0.5)
""".strip().splitlines()


@pytest.mark.parametrize("expression", ERRORS)
def test_error_where_pytorch_has_one(expression: str) -> None:
    scope = {"np": np, "copy": copy}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception):  # noqa: B017, PT011 (whatever PyTorch raises)
            eval(expression, {"lib": torch, **scope})
    with pytest.raises((cr.errors.ChainruleError, AttributeError, TypeError)):
        eval(expression, {"lib": cr, **scope})


def test_default_dtype() -> None:
    try:
        cr.set_default_dtype(cr.float64)
        assert cr.ones(1).dtype is cr.tensor(1.5).dtype is (cr.tensor([1]) / 2).dtype is cr.rand(1).dtype is cr.float64
    finally:
        cr.set_default_dtype(cr.float32)
    assert cr.ones(1).dtype is cr.float32


@pytest.mark.parametrize("data", [[[1.0, 2.5], [3, 4]], 3.0, [1, 2], [True, False], [], [[], []], [1.5, float("nan")]])
def test_repr(data: Any) -> None:
    assert repr(cr.tensor(data)) == repr(torch.tensor(data))


def test_repr_says_what_is_special() -> None:
    for expression in (
        "lib.tensor([1.0], requires_grad=True)",
        "lib.tensor([1.0], dtype=lib.float64)",
        "lib.tensor(1, dtype=lib.int32)",
        "lib.zeros(2, 3).int()",
    ):
        mine, other = (repr(eval(expression, {"lib": lib})) for lib in (cr, torch))
        assert mine == other.replace("torch.", "chainrule.")
    assert "grad_fn=<mul>" in repr(cr.tensor([1.0], requires_grad=True) * 2)


def test_pickle_and_deepcopy_keep_what_pytorch_keeps() -> None:
    for make in (pickle.loads, copy.deepcopy):
        for lib in (cr, torch):
            x = lib.tensor([1.0, 2.0], requires_grad=True)
            (x * x).sum().backward()
            y = copy.deepcopy(x) if make is copy.deepcopy else pickle.loads(pickle.dumps(x))
            assert y.requires_grad
            assert y.is_leaf
            assert y.tolist() == [1.0, 2.0]
            assert (y.grad is not None) == (make is copy.deepcopy)
