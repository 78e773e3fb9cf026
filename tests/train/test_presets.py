"""Models by name."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.ir.errors import ArgumentError
from chainrule.train.presets import ACTIVATIONS, INITS, NORMS, PRESETS, build


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_maps_rows_to_outputs(preset: str) -> None:
    assert build(preset, 5, 3)(cr.zeros(7, 5)).shape == (7, 3)


def test_layers_stand_in_the_order_linear_norm_activation_dropout() -> None:
    model = build("mlp", 5, 3, hidden=(8, 4), activation="silu", norm="batch", dropout=0.2)
    kinds = [type(layer) for layer in model.children()]
    block = [nn.Linear, nn.BatchNorm1d, nn.SiLU, nn.Dropout]
    assert kinds == [*block, *block, nn.Linear]
    assert [layer.out_features for layer in model.children() if isinstance(layer, nn.Linear)] == [8, 4, 3]


def test_no_norm_and_no_dropout_leave_no_layer() -> None:
    kinds = [type(layer) for layer in build("mlp", 5, 3, hidden=(8,), norm="none", dropout=0.0).children()]
    assert kinds == [nn.Linear, nn.ReLU, nn.Linear]


def test_wide_begins_as_its_linear_part() -> None:
    cr.manual_seed(0)
    model = build("wide", 5, 3)
    x = cr.randn(6, 5)
    assert np.array_equal(model(x).detach().numpy(), model.linear(x).detach().numpy())


def test_every_part_of_wide_learns() -> None:
    """At the first step only the last layer of the perceptron does, for it begins at zero; from the second all do."""
    cr.manual_seed(0)
    model = build("wide", 5, 3)
    optimizer = cr.optim.SGD(model.parameters(), lr=0.1)
    x = cr.randn(6, 5)
    for _ in range(2):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
    assert all(parameter.grad is not None and parameter.grad.abs().sum().item() > 0 for parameter in model.parameters())


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", NORMS)
def test_every_activation_and_norm_trains(activation: str, norm: str) -> None:
    model = build("mlp", 4, 2, hidden=(6,), activation=activation, norm=norm)
    model(cr.randn(5, 4)).square().sum().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None and np.isfinite(gradient.numpy()).all() for gradient in gradients)


@pytest.mark.parametrize("init", INITS)
def test_every_init_draws_its_own_weights(init: str) -> None:
    drawn = {}
    for name in INITS:
        cr.manual_seed(3)
        drawn[name] = build("mlp", 4, 2, hidden=(6,), init=name).get_submodule("0")
    assert drawn[init].weight.abs().sum().item() > 0
    assert (drawn[init].bias.abs().sum().item() == 0) == (init != "default")
    weights = {name: layer.weight.detach().numpy() for name, layer in drawn.items()}
    assert not any(np.array_equal(weights[init], weights[name]) for name in INITS if name != init)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"preset": "mpl"}, r"unknown model 'mpl': it must be one of wide, mlp, linear. Did you mean 'mlp'\?"),
        ({"activation": "rleu"}, r"unknown activation 'rleu'.*Did you mean 'relu'\?"),
        ({"norm": "batchnorm"}, r"unknown norm 'batchnorm'.*none, batch, layer.*Did you mean 'batch'\?"),
        ({"init": "he"}, "unknown init 'he': it must be one of default, kaiming_uniform,"),
        ({"hidden": ()}, r"hidden must be at least one width of at least 1, not \(\)"),
        ({"hidden": (8, 0)}, r"hidden must be at least one width of at least 1, not \(8, 0\)"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), not 1.0"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        build(**{"preset": "mlp", "inputs": 4, "outputs": 2, **given})  # type: ignore[arg-type]
