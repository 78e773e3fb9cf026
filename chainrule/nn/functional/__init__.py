"""The layers, activations and losses as functions, under the names of torch.nn.functional."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.absent import absent
from chainrule.nn.functional.activation import (
    celu,
    celu_,
    elu,
    elu_,
    gelu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    hardtanh_,
    leaky_relu,
    leaky_relu_,
    logsigmoid,
    mish,
    prelu,
    relu,
    relu6,
    relu_,
    selu,
    selu_,
    sigmoid,
    silu,
    softplus,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
    threshold,
    threshold_,
)
from chainrule.nn.functional.affine import linear
from chainrule.nn.functional.attention import scaled_dot_product_attention
from chainrule.nn.functional.classification import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    kl_div,
    nll_loss,
)
from chainrule.nn.functional.dropping import dropout
from chainrule.nn.functional.gaussian import gaussian_nll_loss
from chainrule.nn.functional.lookup import embedding, one_hot
from chainrule.nn.functional.normalisation import batch_norm, cosine_similarity, layer_norm, normalize
from chainrule.nn.functional.padding import pad
from chainrule.nn.functional.regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from chainrule.nn.functional.softmaxes import log_softmax, softmax, softmin
from chainrule.nn.functional.triplet import triplet_margin_loss
from chainrule.nn.missing import FUNCTIONAL

__getattr__: Callable[[str], Any] = absent("nn.functional", FUNCTIONAL)

__all__ = [
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "elu",
    "elu_",
    "embedding",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "log_softmax",
    "logsigmoid",
    "mish",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "scaled_dot_product_attention",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "triplet_margin_loss",
]
