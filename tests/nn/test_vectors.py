"""All parameters as one vector, and back."""

from __future__ import annotations

from typing import Any

import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ShapeError
from chainrule.nn.utils import parameters_to_vector, vector_to_parameters


def model() -> Any:
    cr.manual_seed(0)
    return nn.Linear(3, 2)


def test_the_vector_has_all_elements_in_order() -> None:
    layer = model()
    assert parameters_to_vector(layer.parameters()).tolist() == [
        *layer.weight.reshape(-1).tolist(),
        *layer.bias.tolist(),
    ]


def test_gradients_flow_back_to_the_parameters() -> None:
    layer = model()
    (parameters_to_vector(layer.parameters()) * cr.arange(8.0)).sum().backward()
    assert layer.weight.grad.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert layer.bias.grad.tolist() == [6, 7]


def test_there_and_back() -> None:
    layer = model()
    weight, vector = layer.weight, cr.arange(8.0)
    vector_to_parameters(vector, layer.parameters())
    assert layer.weight is weight
    assert weight.requires_grad
    assert parameters_to_vector(layer.parameters()).tolist() == vector.tolist()
    vector[0] = 9.0
    assert weight[0, 0].item() == 0  # a copy


def test_elements_that_are_left_over_are_left() -> None:
    layer = model()
    vector_to_parameters(cr.arange(10.0), layer.parameters())
    assert layer.bias.tolist() == [6, 7]


@pytest.mark.parametrize("vector", [cr.zeros(7), cr.zeros(2, 4)], ids=["short", "matrix"])
def test_a_vector_that_does_not_fit_writes_nothing(vector: Any) -> None:
    layer = model()
    before = layer.weight.tolist()
    with pytest.raises(ShapeError, match="the parameters have 8 elements"):
        vector_to_parameters(vector, layer.parameters())
    assert layer.weight.tolist() == before


def test_in_a_compiled_function() -> None:
    layer = model()

    @cr.compile
    def doubled() -> Any:
        vector = parameters_to_vector(layer.parameters())
        vector_to_parameters(vector.detach() * 2, layer.parameters())
        return vector

    before = doubled().tolist()
    assert parameters_to_vector(layer.parameters()).tolist() == [2 * each for each in before]
