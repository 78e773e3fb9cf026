"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from chainrule.functions.attributes import set_data
from chainrule.functions.joining import joined
from chainrule.functions.table import needs_tensor
from chainrule.ir.errors import ShapeError
from chainrule.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters, one after another, in one dimension; gradients flow back to them."""
    carriers = [needs_tensor("parameters_to_vector", parameter, "parameters") for parameter in parameters]
    return Tensor(joined("parameters_to_vector", [x.reshape((x.type.size,)) for x in carriers], 0))


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Gives each parameter its part of the vector, in order; further elements are left over, as in PyTorch.

    The parameters take copies (PyTorch's share the vector's memory). Raises ShapeError, before any write, if the
    vector is too short.
    """
    x = needs_tensor("vector_to_parameters", vec, "vec")
    taking = list(parameters)
    sizes = [parameter.read().type.size for parameter in taking]
    if len(x.shape) != 1 or sum(sizes) > x.type.size:
        raise ShapeError(
            f"vector_to_parameters: the parameters have {sum(sizes)} elements, so a vector of as many is needed, not "
            f"{x.type}."
        )
    start = 0
    for parameter, size in zip(taking, sizes, strict=True):
        part = x.index(slice(start, start + size)).reshape(parameter.read().shape)
        set_data(parameter, Tensor(part))
        start += size
