"""Losses as modules: the functions of `functional` with their settings kept.

`reduction` is "mean", "sum" or "none". size_average and reduce, which PyTorch deprecates, are refused.
"""

from __future__ import annotations

from typing import Any

from chainrule.ir.errors import ArgumentError
from chainrule.nn.functional import classification, gaussian, regression, triplet
from chainrule.nn.functional.reduction import check_options
from chainrule.nn.module import Module
from chainrule.tensor import Tensor


class Loss(Module):
    """Base of all losses: holds the reduction."""

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__()
        check_options(type(self).__name__, reduction, size_average, reduce, "batchmean")
        self.reduction = reduction


class WeightedLoss(Loss):
    """Base of the losses with a `weight`, which is a buffer."""

    weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


# Of numbers -----------------------------------------------------------------------------------------------------------


class MSELoss(Loss):
    """(input - target)^2. Both (*), of one shape; a scalar unless reduction="none"."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return regression.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """|input - target|. Both (*), of one shape; a scalar unless reduction="none"."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return regression.l1_loss(input, target, reduction=self.reduction)  # type: ignore[no-any-return]


class SmoothL1Loss(Loss):
    """With d = |input - target|: d^2 / (2 beta) where d < beta, else d - beta / 2. Both (*), of one shape."""

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return regression.smooth_l1_loss(  # type: ignore[no-any-return]
            input, target, reduction=self.reduction, beta=self.beta
        )


class HuberLoss(Loss):
    """With d = |input - target|: d^2 / 2 where d < delta, else delta (d - delta / 2). Both (*), of one shape."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return regression.huber_loss(  # type: ignore[no-any-return]
            input, target, reduction=self.reduction, delta=self.delta
        )


class GaussianNLLLoss(Loss):
    """(log(var) + (input - target)^2 / var) / 2; with `full` the constant too. input and target (*), of one shape.

    var: the predicted variance, (*), or with one dimension of length 1 or without the last, or a number; at least eps.
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return gaussian.gaussian_nll_loss(  # type: ignore[no-any-return]
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )


# Of distances ---------------------------------------------------------------------------------------------------------


class TripletMarginLoss(Loss):
    """max(0, |anchor - positive| - |anchor - negative| + margin). All three (N, D) or (D); (N) or () if "none".

    See functional.triplet_margin_loss.
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ArgumentError(f"TripletMarginLoss: margin must be greater than 0, not {margin}.")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return triplet.triplet_margin_loss(  # type: ignore[no-any-return]
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


# Of classes -----------------------------------------------------------------------------------------------------------


class CrossEntropyLoss(WeightedLoss):
    """-log(softmax(input)[target]). input: logits (N, C), (C) or (N, C, d1, ...).

    target: class numbers without C, of any integer type, or probabilities of the input's shape. weight (C): of each
    class. See functional.cross_entropy.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return classification.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(WeightedLoss):
    """-input[target]. input: log probabilities (N, C), (C) or (N, C, d1, ...); target: class numbers without C."""

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return classification.nll_loss(  # type: ignore[no-any-return]
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


# Of probabilities -----------------------------------------------------------------------------------------------------


class BCELoss(WeightedLoss):
    """-(target log(input) + (1 - target) log(1 - input)), of probabilities. Both (*), of one shape."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return classification.binary_cross_entropy(  # type: ignore[no-any-return]
            input, target, self.weight, reduction=self.reduction
        )


class BCEWithLogitsLoss(Loss):
    """The BCELoss of sigmoid(input), without overflow; pos_weight is that of the positive part. Both (*), one shape."""

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return classification.binary_cross_entropy_with_logits(  # type: ignore[no-any-return]
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class KLDivLoss(Loss):
    """target (log(target) - input): input holds log probabilities, with log_target the target too. Both (*), one shape.

    reduction="batchmean" is the divergence itself: the sum divided by the length of dimension 0.
    """

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", log_target: bool = False
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return classification.kl_div(  # type: ignore[no-any-return]
            input, target, reduction=self.reduction, log_target=self.log_target
        )
