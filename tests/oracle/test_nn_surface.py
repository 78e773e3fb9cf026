"""What stands around the layers is PyTorch's too: names, texts, errors, initialisers' constants, clipping."""

from __future__ import annotations

import inspect
import warnings
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import nn
from chainrule.errors import NotYetError
from tests.oracle.functions import assert_equal, scope_of

# Helpers that torch.nn's modules happen to import, and Python's own
NO_PART_OF_IT = {
    "BroadcastingList1", "BroadcastingList2", "BroadcastingList3", "Callable", "DType", "Literal", "Optional",
    "ParamSpec", "ScalingType", "SwizzleType", "TYPE_CHECKING", "Tensor", "TypeVar", "boolean_dispatch",
    "factory_kwargs", "assert_int_or_pair", "handle_torch_function", "has_torch_function", "has_torch_function_unary",
    "has_torch_function_variadic", "reproducibility_notes", "sparse_support_notes", "tf32_notes",
    "GRID_SAMPLE_INTERPOLATION_MODES", "GRID_SAMPLE_PADDING_MODES",
}  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (nn, torch.nn),
        (nn.functional, torch.nn.functional),
        (nn.init, torch.nn.init),
        (nn.utils, torch.nn.utils),
        (nn.Module(), torch.nn.Module()),
    ],
    ids=["nn", "functional", "init", "utils", "Module"],
)
def test_every_public_name_is_there_or_not_yet(ours: Any, theirs: Any) -> None:
    for name in dir(theirs):
        if name.startswith("_") or name in NO_PART_OF_IT or isinstance(getattr(theirs, name), ModuleType):
            continue
        if name in ("T_destination", "call_super_init", "dump_patches"):  # settings of PyTorch's own machinery
            continue
        with suppress(NotYetError):
            getattr(ours, name)


@pytest.mark.parametrize("name", sorted(name for name in nn.__all__ if hasattr(torch.nn, name)))
def test_constructors_take_pytorchs_arguments(name: str) -> None:
    ours, theirs = getattr(nn, name), getattr(torch.nn, name)
    if inspect.isclass(theirs):
        assert parameters(ours.__init__)[: len(parameters(theirs.__init__))] == parameters(theirs.__init__)


@pytest.mark.parametrize(
    "name", sorted(set(nn.functional.__all__) - {"sigmoid", "tanh", "relu_", "celu_", "elu_", "leaky_relu_", "selu_"})
)
def test_functions_take_pytorchs_arguments(name: str) -> None:
    theirs = getattr(torch.nn.functional, name)
    try:
        expected = parameters(theirs)
    except ValueError:  # a builtin, of which Python knows no signature
        return
    missing = set(expected) - set(parameters(getattr(nn.functional, name)))
    assert missing <= {"out"}, "which on_tensors takes from all"
    assert [x for x in parameters(getattr(nn.functional, name)) if x in expected] == [
        x for x in expected if x not in missing
    ]


def parameters(function: Any) -> list[str]:
    """The names of its arguments, in order; PyTorch's catch-alls aside."""
    names = list(inspect.signature(function).parameters)
    return [name for name in names if name not in ("self", "args", "kwargs")]


TEXTS = [
    "nn.Linear(3, 2)",
    "nn.Linear(3, 2, bias=False)",
    "nn.Embedding(5, 2, padding_idx=-1)",
    "nn.BatchNorm1d(4, momentum=None)",
    "nn.LayerNorm((2, 3))",
    "nn.Dropout(0.1)",
    "nn.PReLU(3)",
    "nn.Flatten()",
    "nn.Unflatten(1, (2, 3))",
    "nn.LeakyReLU(0.2, inplace=True)",
    "nn.Threshold(1, 2)",
    "nn.CrossEntropyLoss()",
    "nn.GaussianNLLLoss()",
    "nn.TripletMarginLoss()",
    "nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.ReLU(), nn.ModuleDict({'a': nn.Tanh()})))",
    "nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()])",
    "nn.Sequential()",
]


@pytest.mark.parametrize("source", TEXTS)
def test_texts_are_pytorchs_but_for_the_counts(source: str) -> None:
    ours, theirs = (repr(eval(source, scope_of(library))) for library in (cr, torch))
    lines = [line.split("  #")[0] for line in ours.split("\n") if not line.startswith("#")]
    assert "\n".join(lines) == theirs


ERRORS = [
    "nn.Linear(3, 2)(lib.ones(2, 4))",
    "nn.Linear(3, 2)(lib.ones(2, 3, dtype=lib.float64))",
    "nn.Linear(3, -2)",
    "nn.BatchNorm1d(3)(lib.ones(1, 3))",
    "nn.BatchNorm1d(3)(lib.ones(2, 4))",
    "nn.BatchNorm1d(3)(lib.ones(3))",
    "nn.BatchNorm1d(3, eps=0.0)(lib.ones(2, 3))",
    "nn.LayerNorm(3)(lib.ones(2, 4))",
    "nn.Embedding(3, 2)(lib.tensor([3]))",
    "nn.Embedding(3, 2)(lib.tensor([-1]))",
    "nn.Embedding(3, 2)(lib.ones(1))",
    "nn.Embedding(3, 2, padding_idx=3)",
    "nn.Dropout(1.5)",
    "nn.PReLU(3)(lib.ones(2, 4))",
    "nn.Hardtanh(2, 1)",
    "nn.ReLU(inplace=True)(lib.ones(2, requires_grad=True))",
    "nn.Unflatten(1, 'ab')",
    "nn.Unflatten(1, (2, 2))(lib.ones(2, 3))",
    "nn.Sequential(3)",
    "nn.ModuleDict({'a.b': nn.ReLU()})",
    "nn.Module()(3)",
    "nn.Parameter(3)",
    "nn.Linear(1, 1).load_state_dict({'weight': lib.ones(1, 1)})",
    "nn.Linear(1, 1).load_state_dict({'weight': lib.ones(2, 1), 'bias': lib.ones(1)}, strict=False)",
    "nn.Linear(1, 1).register_buffer('weight', lib.ones(1))",
    "nn.Linear(1, 1).register_parameter('x', lib.ones(1))",
    "setattr(nn.Linear(1, 1), 'weight', lib.ones(1, 1))",
    "nn.Linear(1, 1).get_submodule('x')",
    "nn.Linear(1, 1).get_parameter('x')",
    "nn.Linear(1, 1).to(lib.int64)",
    "nn.Linear(1, 1).train(3)",
    "F.cross_entropy(lib.ones(2, 3), lib.tensor([0, 3]))",
    "F.cross_entropy(lib.ones(2, 3), lib.tensor([0, -1]))",
    "F.cross_entropy(lib.ones(2, 3), lib.tensor([0]))",
    "F.cross_entropy(lib.ones(2, 3), lib.ones(2))",
    "F.cross_entropy(lib.ones(2, 3), lib.tensor([0, 1]), weight=lib.ones(2))",
    "F.cross_entropy(lib.ones(2, 3), lib.tensor([0, 1]), reduction='avg')",
    "F.cross_entropy(lib.ones(2, 3), lib.tensor([0, 1]), label_smoothing=1.5)",
    "F.nll_loss(lib.ones(2, 3), lib.tensor([0, 3]))",
    "F.nll_loss(lib.ones(2, 3), lib.tensor([0]))",
    "F.binary_cross_entropy(lib.ones(2, 1), lib.ones(2))",
    "F.binary_cross_entropy(lib.tensor([1.5]), lib.ones(1))",
    "F.binary_cross_entropy_with_logits(lib.ones(2, 1), lib.ones(2))",
    "F.mse_loss(lib.ones(2), lib.ones(2), weight=lib.ones(3))",
    "F.huber_loss(lib.ones(2), lib.ones(2), delta=0)",
    "F.smooth_l1_loss(lib.ones(2), lib.ones(2), beta=-1.0)",
    "F.glu(lib.ones(3))",
    "F.pad(lib.ones(3), (1,))",
    "F.pad(lib.ones(3), (-2, -2))",
    "F.one_hot(lib.tensor([3]), 2)",
    "F.softmax(lib.ones(2), 3)",
    "nn.init.eye_(lib.ones(3))",
    "nn.init.xavier_uniform_(lib.ones(3))",
    "nn.init.orthogonal_(lib.ones(3))",
    "nn.init.calculate_gain('softmax')",
]


@pytest.mark.parametrize("source", ERRORS)
def test_what_pytorch_refuses_is_refused(source: str) -> None:
    for library in (cr, torch):
        with pytest.raises(Exception):  # noqa: B017, PT011 (the class is each library's own)
            eval(source, scope_of(library))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_what_pytorch_only_warns_of_is_refused(name: str) -> None:
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        getattr(torch.nn.functional, name)(torch.ones(8, 1), torch.ones(8))
    with pytest.raises(ValueError, match="one shape"):
        getattr(nn.functional, name)(cr.ones(8, 1), cr.ones(8))


def test_gains_are_pytorchs() -> None:
    for name in ("linear", "conv2d", "tanh", "relu", "selu", "leaky_relu"):
        assert nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert nn.init.calculate_gain("leaky_relu", 0.2) == torch.nn.init.calculate_gain("leaky_relu", 0.2)


@pytest.mark.parametrize("order", [1.0, 2.0, 3.5, float("inf")])
@pytest.mark.parametrize("share", [0.3, 2.0])
def test_clipping(order: float, share: float) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((3, 4), (5,), ())]
    mine = [nn.Parameter(cr.tensor(np.zeros_like(array))) for array in arrays]
    others = [torch.nn.Parameter(torch.tensor(np.zeros_like(array))) for array in arrays]
    for array, p, q in zip(arrays, mine, others, strict=True):
        p.grad, q.grad = cr.tensor(array), torch.tensor(array)
    limit = share * torch.nn.utils.get_total_norm([q.grad for q in others], order).item()
    found = nn.utils.clip_grad_norm_(mine, limit, order)
    assert_equal(found, torch.nn.utils.clip_grad_norm_(others, limit, order), 1e-12)
    nn.utils.clip_grad_value_(mine, 0.4)
    torch.nn.utils.clip_grad_value_(others, 0.4)
    for p, q in zip(mine, others, strict=True):
        assert_equal(p.grad, q.grad, 1e-12)


def test_truncated_normal_has_pytorchs_moments() -> None:
    cr.manual_seed(0)
    torch.manual_seed(0)
    for mean, std, a, b in ((0, 1, -2, 2), (0.3, 0.5, 0, 1), (0, 1, 1, 3)):
        x = nn.init.trunc_normal_(cr.zeros(40000), mean, std, a, b).numpy()
        y = torch.nn.init.trunc_normal_(torch.zeros(40000), mean, std, a, b).numpy()
        np.testing.assert_allclose([x.mean(), x.std()], [y.mean(), y.std()], atol=0.02)
        assert x.min() >= a
        assert x.max() <= b
