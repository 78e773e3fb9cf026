"""Losses: hand-worked values, and the two places where PyTorch lets a mistake pass. Agreement is in tests/oracle/."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, DTypeError, OutOfRangeError, ShapeError
from chainrule.nn import functional as F


def test_by_hand() -> None:
    x, y = cr.tensor([1.0, -2.0, 3.0]), cr.tensor([1.0, 0.0, 3.5])
    assert nn.MSELoss()(x, y).item() == pytest.approx(4.25 / 3)
    assert nn.L1Loss(reduction="sum")(x, y).item() == 2.5
    assert nn.SmoothL1Loss(reduction="none")(x, y).tolist() == [0, 1.5, 0.125]
    assert nn.HuberLoss("none", delta=0.5)(x, y).tolist() == [0, 0.875, 0.125]
    assert nn.CrossEntropyLoss()(cr.zeros(2, 4), cr.tensor([0, 3])).item() == pytest.approx(math.log(4))
    assert nn.NLLLoss()(cr.tensor([[-1.0, -2.0], [-3.0, -4.0]]), cr.tensor([1, 0])).item() == 2.5
    assert nn.BCEWithLogitsLoss()(cr.zeros(3), cr.ones(3)).item() == pytest.approx(math.log(2))
    assert nn.BCELoss()(cr.tensor([0.25]), cr.tensor([1.0])).item() == pytest.approx(math.log(4))
    assert nn.KLDivLoss(reduction="batchmean")(cr.tensor([0.0]), cr.tensor([1.0])).item() == 0


@pytest.mark.parametrize(
    "loss", [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.kl_div], ids=lambda loss: loss.__name__
)
def test_shapes_never_broadcast(loss: Any) -> None:
    with pytest.raises(ShapeError, match=r"input f32\[8, 1\] and target f32\[8\]") as caught:
        loss(cr.ones(8, 1), cr.ones(8))
    assert "`input.squeeze(-1)`" in str(caught.value)
    assert "`target.unsqueeze(1)`" in str(caught.value)
    with pytest.raises(ShapeError, match=r"`target\.squeeze\(-1\)`, or `input\.unsqueeze\(1\)`"):
        loss(cr.ones(8), cr.ones(8, 1))
    with pytest.raises(ShapeError, match="one shape"):
        loss(cr.ones(2, 3), cr.ones(3))
    with pytest.raises(ValueError, match="one shape"):
        F.binary_cross_entropy(cr.ones(8, 1), cr.ones(8))
    with pytest.raises(ShapeError, match="one shape"):
        F.binary_cross_entropy_with_logits(cr.ones(8, 1), cr.ones(8))


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: F.mse_loss(cr.ones(2), cr.ones(2), size_average=True), ArgumentError, "deprecated"),
    (lambda: nn.L1Loss(reduce=False), ArgumentError, "deprecated"),
    (lambda: F.mse_loss(cr.ones(2), cr.ones(2), reduction="avg"), ArgumentError, "'avg'"),
    (lambda: F.mse_loss(cr.ones(2), cr.ones(2), reduction="batchmean"), ArgumentError, "batchmean"),
    (lambda: F.mse_loss(cr.ones(2), cr.ones(2), weight=cr.ones(1)), ShapeError, "weight"),
    (lambda: F.smooth_l1_loss(cr.ones(2), cr.ones(2), beta=-1), ArgumentError, "beta"),
    (lambda: F.huber_loss(cr.ones(2), cr.ones(2), delta=0), ArgumentError, "delta"),
    (lambda: F.cross_entropy(cr.ones(2, 3), cr.tensor([0, 3])), OutOfRangeError, "3"),
    (lambda: F.cross_entropy(cr.ones(2, 3), cr.tensor([[0], [1]])), ShapeError, "squeeze"),
    (lambda: F.cross_entropy(cr.ones(2, 3), cr.ones(2)), DTypeError, "long"),
    (lambda: F.cross_entropy(cr.ones(2, 3), cr.tensor([0, 1]), cr.ones(2)), ShapeError, "weight"),
    (lambda: F.cross_entropy(cr.ones(2, 3), cr.tensor([0, 1]), label_smoothing=2), ArgumentError, "label"),
    (lambda: F.nll_loss(cr.ones(2, 3), cr.tensor([0, 3])), OutOfRangeError, "3"),
    (lambda: F.nll_loss(cr.ones(2, 3), cr.tensor([0])), ShapeError, r"\[2\]"),
    (lambda: F.nll_loss(cr.ones(2, 3), cr.ones(2)), DTypeError, "long"),
    (lambda: F.nll_loss(cr.ones(2, 3), cr.tensor([0, 1]), cr.ones(2)), ShapeError, "weight"),
    (lambda: F.nll_loss(cr.ones(2, 3, dtype=cr.int64), cr.tensor([0, 1])), ShapeError, "floating"),
    (lambda: F.binary_cross_entropy(cr.tensor([1.5]), cr.ones(1)), ArgumentError, "with_logits"),
    (lambda: F.binary_cross_entropy(cr.tensor([float("nan")]), cr.ones(1)), ArgumentError, "with_logits"),
    (
        lambda: F.binary_cross_entropy_with_logits(cr.ones(2), cr.ones(2), pos_weight=cr.ones(3, 2)),
        ShapeError,
        "pos_weight",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED, ids=range(len(REFUSED)))
def test_what_losses_refuse(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_int32_labels_are_taken() -> None:
    labels = np.array([0, 2], np.int32)
    logits = cr.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]])
    assert F.cross_entropy(logits, labels).item() == F.cross_entropy(logits, cr.tensor([0, 2])).item()
    assert F.nll_loss(logits, labels).item() == -1


def test_gradients_survive_near_certainty() -> None:
    logits = cr.tensor([-30.0, 30.0], requires_grad=True)
    F.binary_cross_entropy_with_logits(logits, cr.tensor([0.0, 1.0]), reduction="sum").backward()
    np.testing.assert_allclose(logits.grad.numpy(), [math.exp(-30), -math.exp(-30)], rtol=1e-5)


# Probabilities where logits are wanted --------------------------------------------------------------------------------


def warned(call: Callable[[], Any]) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            call()
    return caught


LABELS = cr.tensor([0, 1])
LOGITS = cr.tensor([[1.0, -2.0], [0.5, 3.0]])
YES = cr.tensor([[1.0, 0.0], [0.0, 1.0]])
TRAINED = LOGITS * nn.Parameter(cr.ones(1))


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.cross_entropy(LOGITS.softmax(1), LABELS),  # by value
        lambda: F.cross_entropy(TRAINED.softmax(1), LABELS),  # by tape
        lambda: F.cross_entropy(LOGITS.softmax(1).view(2, 2, 1).expand(2, 2, 3), LABELS.view(2, 1).expand(2, 3)),
        lambda: F.cross_entropy(LOGITS[0].softmax(0), LABELS[0]),
        lambda: nn.CrossEntropyLoss()(TRAINED.sigmoid().double(), LABELS),
        lambda: F.binary_cross_entropy_with_logits(TRAINED.sigmoid().view(-1), YES.view(-1)),
        lambda: F.binary_cross_entropy_with_logits(cr.linspace(0, 1, 40), cr.ones(40)),
    ],
    ids=range(7),
)
def test_probabilities_are_told_once_with_the_line(call: Callable[[], Any]) -> None:
    caught = warned(call)
    assert [str(warning.message)[:5] for warning in caught] in (["cross"], ["binar"])
    assert "wants logits" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert caught[0].lineno == call.__code__.co_firstlineno


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.cross_entropy(LOGITS, LABELS),
        lambda: F.cross_entropy(cr.zeros(2, 2), LABELS),
        lambda: F.cross_entropy(LOGITS.log_softmax(1), LABELS),
        lambda: F.cross_entropy(cr.tensor([[0.2, 0.3], [0.1, 0.9]]), LABELS),
        lambda: F.cross_entropy(cr.tensor([[0.1, 0.9], [0.2, 0.3]]), LABELS),
        lambda: F.cross_entropy(cr.tensor([[0.4, 0.6], [1.5, -0.5]]), LABELS),
        lambda: F.cross_entropy(cr.ones(2, 1), LABELS * 0),
        lambda: F.binary_cross_entropy_with_logits(cr.zeros(50), cr.ones(50)),
        lambda: F.binary_cross_entropy_with_logits(cr.linspace(0.2, 0.8, 50), cr.ones(50)),
        lambda: F.nll_loss(LOGITS.softmax(1).log(), LABELS),
        lambda: F.binary_cross_entropy(LOGITS.sigmoid(), YES),
    ],
    ids=range(11),
)
def test_logits_are_not_taken_for_probabilities(call: Callable[[], Any]) -> None:
    assert warned(call) == []


def test_probabilities_are_found_while_tracing() -> None:
    def step(x: Any, y: Any) -> Any:
        return F.cross_entropy(x.softmax(-1), y)

    with pytest.warns(UserWarning, match="wants logits"):
        cr.compile(step)(LOGITS, LABELS)


# Variances and triplets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variance", [cr.tensor([1.0, -1e-9]), -0.5], ids=["tensor", "number"])
def test_a_negative_variance_is_refused(variance: Any) -> None:
    with pytest.raises(ArgumentError, match="var has negative elements"):
        F.gaussian_nll_loss(cr.ones(2), cr.ones(2), variance)


def test_a_negative_variance_is_nan_in_a_compiled_function() -> None:
    step = cr.compile(lambda var: F.gaussian_nll_loss(cr.zeros(2), cr.ones(2), var, reduction="none"))
    assert np.isnan(step(cr.tensor([1.0, -1.0])).numpy()).tolist() == [False, True]
    assert not np.isnan(step(cr.tensor([1.0, 0.0])).numpy()).any()


def test_a_variance_that_is_a_float_argument() -> None:
    step = cr.compile(lambda x, var: F.gaussian_nll_loss(x, x + 1, var))
    for var in (0.5, 2.0):
        assert step(cr.ones(2), var).item() == pytest.approx((np.log(var) + 1 / var) / 2, rel=1e-6)
    assert step.traces == 1


REFUSED_TOO: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "variance of another shape": (
        lambda: F.gaussian_nll_loss(cr.ones(4, 3), cr.ones(4, 3), cr.ones(3)),
        ShapeError,
        "var",
    ),
    "two dimensions of 1": (
        lambda: F.gaussian_nll_loss(cr.ones(4, 3), cr.ones(4, 3), cr.ones(1, 1)),
        ShapeError,
        "var",
    ),
    "target": (lambda: F.gaussian_nll_loss(cr.ones(4, 3), cr.ones(3), cr.ones(4, 3)), ShapeError, "broadcasts"),
    "negative of another shape": (
        lambda: F.triplet_margin_loss(cr.ones(4, 3), cr.ones(4, 3), cr.ones(1, 3)),
        ShapeError,
        "negative",
    ),
    "no dimension": (lambda: F.triplet_margin_loss(cr.ones(()), cr.ones(()), cr.ones(())), ShapeError, r"\(N, D\)"),
    "margin": (lambda: F.triplet_margin_loss(cr.ones(2), cr.ones(2), cr.ones(2), margin=0), ArgumentError, "margin"),
    "margin of the module": (lambda: nn.TripletMarginLoss(margin=-1.0), ArgumentError, "margin"),
}


@pytest.mark.parametrize("name", REFUSED_TOO)
def test_variances_and_triplets_that_do_not_fit_are_refused(name: str) -> None:
    call, error, message = REFUSED_TOO[name]
    with pytest.raises(error, match=message):
        call()
