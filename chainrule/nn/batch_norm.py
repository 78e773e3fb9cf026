"""Batch norm: each feature normalised over the batch in training, by running statistics afterwards."""

from __future__ import annotations

from typing import Any

from chainrule.ir import state
from chainrule.ir.errors import ShapeError
from chainrule.ir.types import int64
from chainrule.nn import init
from chainrule.nn.empty import empty, new_parameter
from chainrule.nn.functional.normalisation import batch_norm
from chainrule.nn.module import Module
from chainrule.ops.promotion import cast
from chainrule.tensor import Buffer, Parameter, Tensor


class BatchNorm1d(Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, for each of num_features channels.

    x (N, C) or (N, C, L) -> y of the same shape. In training mean and (biased) variance are those of the batch, and
    the buffers `running_mean` and `running_var` (unbiased) move towards them by `momentum`, or with momentum=None are
    the average over all batches; in evaluation the buffers are used. track_running_stats=False: the batch's, always.
    `weight` (C) begins as 1, `bias` (C) as 0; affine=False leaves them out. Raises ShapeError in training if there is
    one value per channel only. Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167.
    """

    _may_be_missing_ = ("num_batches_tracked",)  # PyTorch's oldest checkpoints lack it

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        shape = (num_features,)
        self.register_parameter("weight", new_parameter(shape, device, dtype) if affine else None)
        self.register_parameter("bias", new_parameter(shape, device, dtype) if affine and bias else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", Buffer(empty(shape, device, dtype)) if tracked else None)
        self.register_buffer("running_var", Buffer(empty(shape, device, dtype)) if tracked else None)
        self.register_buffer("num_batches_tracked", Buffer(empty((), device, int64)) if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forgets the statistics: mean 0, variance 1, no batches."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Forgets the statistics; weight 1, bias 0."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        used = not self.training or self.track_running_stats
        return batch_norm(
            input,
            self.running_mean if used else None,
            self.running_var if used else None,
            self.weight,
            self.bias,
            by_batch,
            self._count_batch(),
            self.eps,
        )

    def _count_batch(self) -> Any:
        """Counts the batch, if this is training; returns the share of the batch in the running statistics."""
        counter = self.num_batches_tracked
        if not (self.training and self.track_running_stats and counter is not None):
            return 0.0 if self.momentum is None else self.momentum
        with state.using(state.gradients_enabled, False):
            counter.write_in_place(counter.read() + 1, "BatchNorm1d")
            if self.momentum is None:
                assert self.running_mean is not None
                return Tensor(1 / cast(counter.read(), self.running_mean.dtype))
        return self.momentum

    def _check_input_dim(self, input: Tensor) -> None:
        if len(input.shape) not in (2, 3):
            raise ShapeError(f"BatchNorm1d: an input (N, C) or (N, C, L) is needed, not {input.read().type}.")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )
