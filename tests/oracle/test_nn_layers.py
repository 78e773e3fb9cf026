"""Layers agree with PyTorch's on the same weights: outputs, gradients, running statistics; and so do functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F
from tests.oracle.functions import assert_equal, assert_same_function, assert_same_module

RNG = np.random.default_rng(0)
their = torch.nn.functional


def normal(*shape: int) -> Any:
    return RNG.standard_normal(shape)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 4), (4,), (2, 3, 4), (0, 4)])
def test_linear(bias: bool, shape: tuple[int, ...]) -> None:
    assert_same_module(nn.Linear(4, 3, bias=bias), torch.nn.Linear(4, 3, bias=bias), [normal(*shape)])


@pytest.mark.parametrize("settings", [{}, {"padding_idx": 0}, {"padding_idx": -2}], ids=str)
@pytest.mark.parametrize("integer", [np.int64, np.int32])
def test_embedding(settings: dict[str, Any], integer: Any) -> None:
    index = np.array([[0, 2, 2], [4, 3, 0]], integer)
    ours, theirs = nn.Embedding(5, 3, **settings), torch.nn.Embedding(5, 3, **settings)
    assert_same_module(ours, theirs, [index], [index[0, :1]], [index[:0]])
    assert ours.padding_idx == theirs.padding_idx


@pytest.mark.parametrize(
    "settings",
    [{}, {"eps": 0.1}, {"elementwise_affine": False}, {"bias": False}],
    ids=str,
)
@pytest.mark.parametrize("normalized", [5, (5,), (3, 5)])
def test_layer_norm(normalized: Any, settings: dict[str, Any]) -> None:
    ours, theirs = nn.LayerNorm(normalized, **settings), torch.nn.LayerNorm(normalized, **settings)
    scramble(theirs)
    assert_same_module(ours, theirs, [normal(2, 3, 5)], [normal(3, 5) * 10 + 3])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"momentum": 0.4, "eps": 0.1},
        {"momentum": None},
        {"affine": False},
        {"track_running_stats": False},
        {"bias": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (1, 3, 2)])
def test_batch_norm_over_several_steps(shape: tuple[int, ...], settings: dict[str, Any]) -> None:
    ours, theirs = nn.BatchNorm1d(3, **settings), torch.nn.BatchNorm1d(3, **settings)
    scramble(theirs)
    assert_same_module(ours, theirs, *([normal(*shape) * 3 + step] for step in range(4)))
    if settings != {"track_running_stats": False} or len(shape) == 3:
        assert_same_module(ours.eval(), theirs.eval(), [normal(*shape)], [normal(1, *shape[1:])])
    assert_same_module(ours.train(), theirs.train(), [normal(*shape)])


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_of_more_dimensions(training: bool) -> None:
    mean, variance = normal(3), RNG.uniform(0.5, 2, 3)
    ours, theirs = (library(mean) for library in (cr.tensor, torch.tensor))
    ours_too, theirs_too = (library(variance) for library in (cr.tensor, torch.tensor))
    x = normal(2, 3, 4, 2)

    def mine(x: Any, weight: Any, bias: Any) -> Any:
        return F.batch_norm(x, ours, ours_too, weight, bias, training, 0.3, 1e-3)

    def others(x: Any, weight: Any, bias: Any) -> Any:
        return their.batch_norm(x, theirs, theirs_too, weight, bias, training, 0.3, 1e-3)

    assert_same_function(mine, others, x, normal(3), normal(3))
    assert_equal(ours, theirs, 1e-10)
    assert_equal(ours_too, theirs_too, 1e-10)


def scramble(module: torch.nn.Module) -> None:
    """Weights other than the ones and zeros that norms begin with."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.tensor(normal(*parameter.shape)))


# Functions ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"p": 1.0}, {"p": 3.0, "dim": 0}, {"p": float("inf"), "dim": -1}], ids=str)
def test_normalize(settings: dict[str, Any]) -> None:
    x = normal(3, 4)
    x[1] = 0
    assert_same_function(
        F.normalize, their.normalize, x if settings.get("p") != float("inf") else normal(3, 4), **settings
    )


@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((3, 1, 4), (5, 4)), ((1, 4), (3, 4))])
@pytest.mark.parametrize("dim", [-1, 1])
def test_cosine_similarity(shapes: Any, dim: int) -> None:
    if dim == 1 and len(shapes[0]) == 3:
        return
    assert_same_function(F.cosine_similarity, their.cosine_similarity, normal(*shapes[0]), normal(*shapes[1]), dim=dim)


@pytest.mark.parametrize("widths", [(1, 2), (0, 1, 2, 0), (-1, 2), (-1, -1, 1, 0), (0, 0)])
@pytest.mark.parametrize("value", [None, 1.5])
def test_pad(widths: tuple[int, ...], value: float | None) -> None:
    assert_same_function(F.pad, their.pad, normal(3, 4), widths, value=value)


def test_one_hot() -> None:
    index = np.array([[0, 2], [1, 2]])
    assert_same_function(F.one_hot, their.one_hot, index)
    assert_same_function(F.one_hot, their.one_hot, index, 5)
    assert_same_function(F.one_hot, their.one_hot, index[:0], num_classes=2)


@pytest.mark.parametrize("settings", [{}, {"is_causal": True}, {"scale": 0.3}], ids=str)
@pytest.mark.parametrize("mask", [None, "bool", "float"])
def test_attention(settings: dict[str, Any], mask: str | None) -> None:
    if mask is not None and "is_causal" in settings:
        return
    q, k, v = normal(2, 3, 4, 5), normal(2, 3, 6, 5), normal(2, 3, 6, 2)
    masks = {None: None, "bool": RNG.uniform(size=(4, 6)) < 0.7, "float": normal(2, 1, 4, 6)}
    settings = settings | {"attn_mask": masks[mask]}
    ours, theirs = F.scaled_dot_product_attention, their.scaled_dot_product_attention
    assert_same_function(ours, theirs, q, k, v, **settings)


def test_dropout_that_does_nothing_and_that_drops_all() -> None:
    x = normal(3, 4)
    for settings in ({"training": False}, {"p": 0.0}, {"p": 1.0}):
        assert_same_function(F.dropout, their.dropout, x, **settings)


# State dicts ----------------------------------------------------------------------------------------------------------


def models() -> tuple[Any, Any]:
    """One architecture in both libraries."""

    def built(library: Any) -> Any:
        return library.Sequential(
            library.Embedding(7, 4, padding_idx=0),
            library.Flatten(),
            library.BatchNorm1d(12),
            library.Linear(12, 6, bias=False),
            library.PReLU(),
            library.ModuleDict({"norm": library.LayerNorm(6), "out": library.Linear(6, 2)})["norm"],
        )

    return built(nn), built(torch.nn)


def test_names_shapes_and_order_are_pytorchs() -> None:
    ours, theirs = models()
    assert [(name, tuple(x.shape), str(x.dtype)[10:]) for name, x in ours.state_dict().items()] == [
        (name, tuple(x.shape), str(x.dtype)[6:]) for name, x in theirs.state_dict().items()
    ]


def test_safetensors_both_ways(tmp_path: Path) -> None:
    ours, theirs = models()
    index = np.array([[1, 0, 3], [6, 5, 4]])
    path = tmp_path / "theirs.safetensors"
    safetensors.torch.save_file(theirs.state_dict(), path)
    ours.load_state_dict(safetensors.numpy.load_file(path))
    ours.eval()
    theirs.eval()
    assert_equal(ours(cr.tensor(index)), theirs(torch.tensor(index)), 1e-5)

    ours, theirs = models()
    path = tmp_path / "ours.safetensors"
    safetensors.numpy.save_file({name: tensor.numpy() for name, tensor in ours.state_dict().items()}, path)
    theirs.load_state_dict(safetensors.torch.load_file(path))
    ours.eval()
    theirs.eval()
    assert_equal(ours(cr.tensor(index)), theirs(torch.tensor(index)), 1e-5)


def test_pytorch_tensors_are_array_likes() -> None:
    ours, theirs = models()
    assert str(ours.load_state_dict(theirs.state_dict())) == "<All keys matched successfully>"


def test_default_initialisation_has_pytorchs_bounds() -> None:
    for ours, theirs in (
        (nn.Linear(40, 50), torch.nn.Linear(40, 50)),
        (nn.Embedding(50, 40), torch.nn.Embedding(50, 40)),
        (nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)),
        (nn.PReLU(4), torch.nn.PReLU(4)),
    ):
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            a, b = mine.detach().numpy(), other.detach().numpy()
            np.testing.assert_allclose(a.std(), b.std(), rtol=0.3)
            np.testing.assert_allclose(np.abs(a).max(), np.abs(b).max(), rtol=0.3)
