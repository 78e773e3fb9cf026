"""Layers: hand-worked values, what they refuse, and randomness. Agreement with PyTorch is in tests/oracle/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import (
    ArgumentError,
    DTypeError,
    InPlaceError,
    NotYetError,
    OutOfRangeError,
    ShapeError,
)
from chainrule.nn import functional

F: Any = functional  # arrays and lists are given to it too


def test_linear_by_hand() -> None:
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": [[2.0, -1.0]], "bias": [0.5]})
    assert layer(cr.tensor([[3.0, 4.0], [0.0, 1.0]])).tolist() == [[2.5], [-0.5]]


def test_linear_begins_within_its_bounds() -> None:
    layer = nn.Linear(25, 400)
    for parameter in layer.parameters():
        values = parameter.detach().numpy()
        assert 0.19 < np.abs(values).max() <= 0.2
    assert nn.Linear(0, 2)(cr.ones(3, 0)).shape == (3, 2)


def test_factory_arguments() -> None:
    layer = nn.Linear(2, 3, bias=False, device="cpu", dtype=cr.float64)
    assert layer.bias is None
    assert layer.weight.dtype is cr.float64
    assert [p.dtype for p in nn.LayerNorm(3, dtype=cr.float64).parameters()] == [cr.float64] * 2
    assert [b.dtype for b in nn.BatchNorm1d(3, dtype=cr.float64).buffers()] == [cr.float64, cr.float64, cr.int64]
    with pytest.raises(NotYetError):
        nn.Linear(2, 3, device="cuda")
    with pytest.raises(ArgumentError, match="in_features"):
        nn.Linear(2.5, 3)  # type: ignore[arg-type]


def test_embedding_by_hand() -> None:
    table: Any = nn.Embedding.from_pretrained(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), freeze=False, padding_idx=-1)
    index = cr.tensor([[0, 1], [1, 1]])
    table(index).sum().backward()
    assert table(index)[0].tolist() == [[1, 2], [3, 4]]
    assert table.weight.grad.tolist() == [[1, 1], [0, 0]]
    assert nn.Embedding(3, 2, padding_idx=1).weight[1].tolist() == [0, 0]
    assert not nn.Embedding.from_pretrained(cr.ones(2, 2)).weight.requires_grad


@pytest.mark.parametrize("index", [[3], [-1]])
def test_embedding_refuses_an_index_outside(index: list[int]) -> None:
    with pytest.raises(OutOfRangeError, match="size 3"):
        nn.Embedding(3, 2)(cr.tensor(index))


def test_embedding_refuses() -> None:
    with pytest.raises(NotYetError, match="max_norm"):
        nn.Embedding(3, 2, max_norm=1.0)
    with pytest.raises(OutOfRangeError, match="padding_idx"):
        nn.Embedding(3, 2, padding_idx=3)
    with pytest.raises(DTypeError):
        nn.Embedding(3, 2)(cr.ones(1))
    with pytest.raises(ShapeError):
        nn.Embedding(3, 2, _weight=cr.ones(2, 3))


def test_flatten_and_unflatten() -> None:
    x = cr.arange(24).view(2, 3, 4)
    assert nn.Flatten()(x).shape == (2, 12)
    assert nn.Flatten(0, 1)(x).shape == (6, 4)
    assert nn.Unflatten(2, (2, -1))(x).shape == (2, 3, 2, 2)
    with pytest.raises(TypeError):
        nn.Unflatten(1, "ab")  # type: ignore[arg-type]


# Dropout --------------------------------------------------------------------------------------------------------------


def test_dropout_keeps_the_mean_and_drops_the_share() -> None:
    cr.manual_seed(0)
    x = cr.ones(100, 100)
    y = nn.Dropout(0.3)(x).numpy()
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.7)}
    assert abs((y == 0).mean() - 0.3) < 0.02


def test_dropout_draws_anew_and_repeats_with_the_seed() -> None:
    layer, x = nn.Dropout(0.5), cr.ones(8, 8)
    cr.manual_seed(3)
    first, second = layer(x).tolist(), layer(x).tolist()
    assert first != second
    cr.manual_seed(3)
    assert layer(x).tolist() == first
    assert layer.eval()(x) is x


def test_dropout_passes_the_gradient_where_it_keeps() -> None:
    x = cr.ones(50, requires_grad=True)
    y = F.dropout(x, 0.5)
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()
    z = cr.ones(50)
    assert nn.Dropout(0.5, inplace=True)(z) is z
    assert 0 in z.tolist()
    assert F.dropout(cr.ones(3), 1.0).tolist() == [0, 0, 0]
    for p in (-0.1, 1.1):
        with pytest.raises(ArgumentError):
            nn.Dropout(p)


def test_attention_with_dropout_drops_weights() -> None:
    cr.manual_seed(0)
    q = cr.zeros(2, 4, 50, 3)
    v = cr.ones(2, 4, 50, 1)
    y = F.scaled_dot_product_attention(q, q, v, dropout_p=0.5, is_causal=True)
    assert y.shape == (2, 4, 50, 1)
    assert y.var().item() > 0.05
    assert abs(y.mean().item() - 1) < 0.15


# Batch norm -----------------------------------------------------------------------------------------------------------


def test_batch_norm_by_hand() -> None:
    layer: Any = nn.BatchNorm1d(1, eps=0.25)
    assert layer(cr.tensor([[1.0], [3.0]])).flatten().tolist() == pytest.approx([-0.894427, 0.894427])
    assert layer.running_mean.tolist() == pytest.approx([0.2])  # 0.1 * 2
    assert layer.running_var.tolist() == pytest.approx([1.1])  # 0.9 * 1 + 0.1 * 2
    assert layer.num_batches_tracked.item() == 1
    layer.reset_running_stats()
    assert (layer.running_mean.tolist(), layer.num_batches_tracked.item()) == ([0], 0)


def test_batch_norm_keeps_no_tape_in_its_statistics() -> None:
    layer: Any = nn.BatchNorm1d(2)
    layer(cr.ones(3, 2, requires_grad=True)).sum()
    assert not layer.running_mean.requires_grad
    cell = layer.running_mean
    layer(cr.ones(3, 2))
    assert layer.running_mean is cell


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.BatchNorm1d(3)(cr.ones(1, 3)), ShapeError, "more than one value per channel"),
    (lambda: nn.BatchNorm1d(3)(cr.ones(2, 4)), ShapeError, r"Did you mean BatchNorm1d\(4\)"),
    (lambda: nn.BatchNorm1d(3)(cr.ones(3)), ShapeError, r"\(N, C\) or \(N, C, L\)"),
    (lambda: nn.BatchNorm1d(3)(cr.ones(2, 3, 4, 5)), ShapeError, r"\(N, C\) or \(N, C, L\)"),
    (lambda: nn.BatchNorm1d(3, eps=0)(cr.ones(2, 3)), ArgumentError, "eps"),
    (lambda: nn.BatchNorm1d(3)(cr.ones(2, 3, dtype=cr.int64)), DTypeError, "float"),
    (lambda: F.batch_norm(cr.ones(2, 3), None, None), ArgumentError, "running_mean"),
    (lambda: nn.LayerNorm(3)(cr.ones(2, 4)), ShapeError, "normalized shape"),
    (lambda: nn.Hardtanh(2, 1), ArgumentError, "min_val"),
    (lambda: F.celu(cr.ones(1), 0), ArgumentError, "alpha"),
    (lambda: F.softshrink(cr.ones(1), -1), ArgumentError, "lambd"),
    (lambda: F.glu(cr.ones(3)), ShapeError, "halved"),
    (lambda: nn.PReLU(3)(cr.ones(2, 4)), ShapeError, "4 channels"),
    (lambda: F.pad(cr.ones(3), (1,)), ShapeError, "two widths"),
    (lambda: F.pad(cr.ones(3), (-2, -2)), ShapeError, "away"),
    (lambda: F.pad(cr.ones(3), (1, 1), "reflect"), NotYetError, "reflect"),
    (lambda: F.pad(cr.ones(3), (1, 1), "mirror"), ArgumentError, "mirror"),
    (lambda: F.relu([1.0]), DTypeError, "Tensor"),
    (lambda: F.relu(np.ones(2), inplace=True), ArgumentError, "Tensor"),
    (lambda: F.one_hot(cr.tensor([3]), 2), OutOfRangeError, "3"),
    (lambda: F.one_hot(cr.zeros(0, dtype=cr.int64)), ArgumentError, "num_classes"),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED, ids=range(len(REFUSED)))
def test_what_layers_refuse(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


# Activations ----------------------------------------------------------------------------------------------------------


def test_a_leaf_is_not_overwritten_while_gradients_are_recorded() -> None:
    x = cr.ones(2, requires_grad=True)
    with pytest.raises(InPlaceError):
        nn.ReLU(inplace=True)(x)
    with cr.no_grad():
        assert nn.ReLU(inplace=True)(x) is x


def test_arrays_are_taken() -> None:
    assert F.relu(np.array([-1, 1], np.float32)).tolist() == [0, 1]
    assert F.linear(np.ones((1, 2)), np.ones((1, 2))).tolist() == [[2]]


def test_softmax_without_a_dimension_says_which_it_took() -> None:
    with pytest.warns(UserWarning, match="dim=1") as caught:
        nn.Softmax()(cr.ones(2, 3))
    assert caught[0].filename == __file__


def test_identity_takes_anything() -> None:
    x = cr.ones(2)
    assert nn.Identity(54, unused=0.1)(x) is x
