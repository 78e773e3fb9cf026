"""Functions that bring their own derivative, and functions that are computed again in the backward pass."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from chainrule.autodiff.reverse import reverse
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, ShapeError
from chainrule.ir.tree import flatten, unflatten
from chainrule.ir.value import Carrier, next_order
from chainrule.ops.control import detach, with_derivative
from chainrule.tensor import Tensor


class custom_vjp:  # noqa: N801 (JAX's name)
    """A function whose derivative is given, not derived.

        @custom_vjp
        def clip_gradient(x):
            return x

        clip_gradient.defvjp(
            lambda x: (x, None),                          # forward: (result, what backward needs)
            lambda residuals, g: (g.clamp(-1, 1),),       # backward: one cotangent per tensor argument, or None
        )

    The backward function is written in tensor operations, so second derivatives and `compile` work. As in JAX
    (`jax.custom_vjp`), except that non-tensor arguments take part in neither.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._forward: Callable[..., Any] | None = None
        self._backward: Callable[..., Any] | None = None

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """Gives the forward function, returning (result, residuals), and the backward function."""
        self._forward, self._backward = forward, backward

    def __call__(self, *args: Any) -> Any:
        if self._forward is None or self._backward is None:
            raise ArgumentError(f"custom_vjp: {self.__name__} has no derivative yet: call {self.__name__}.defvjp(...).")
        with state.using(state.gradients_enabled, False):
            result, residuals = self._forward(*args)
        leaves, structure = flatten(result)
        inputs = [arg.read() for arg in args if isinstance(arg, Tensor)]

        def derivative(g: Any, results: Any, sources: Any) -> list[Carrier | None]:
            cotangents = unflatten(structure, [Tensor(one) for one in g])
            assert self._backward is not None
            return self._checked(self._backward(residuals, cotangents), sources)

        outputs = with_derivative([leaf.read() for leaf in leaves], inputs, derivative)
        return unflatten(structure, [Tensor(output) for output in outputs])

    def _checked(self, flows: Any, sources: Any) -> list[Carrier | None]:
        found = list(flows) if isinstance(flows, tuple | list) else [flows]
        if len(found) != len(sources):
            raise ArgumentError(
                f"custom_vjp: the backward of {self.__name__} returned {len(found)} cotangents "
                f"for {len(sources)} tensor arguments; return a tuple with one (or None) for each."
            )
        for flow, source in zip(found, sources, strict=True):
            if flow is not None and flow.shape != source.shape:
                raise ShapeError(
                    f"custom_vjp: the backward of {self.__name__} returned a cotangent {flow.read().type} "
                    f"for the argument {source.type}; it must have the argument's shape."
                )
        return [None if flow is None else flow.read() for flow in found]


def checkpoint(function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, **kwargs: Any) -> Any:
    """function(*args, **kwargs), whose intermediate results are not kept but computed again in the backward pass.

    Saves memory for time (Chen et al. 2016, "Training deep nets with sublinear memory cost"). The second run draws the
    same random numbers, and what it writes (running statistics) is taken back. `use_reentrant` is accepted and ignored.
    """
    if not state.gradients_enabled.get():
        return function(*args, **kwargs)
    before, start = _random_state(), next_order()
    result = function(*args, **kwargs)
    leaves, structure = flatten(result)
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    sources = _entering([tensor.read() for tensor in tensors], start)

    def derivative(g: Any, results: Any, inputs: Any) -> list[Carrier | None]:
        again = _run_again(function, args, kwargs, before)
        record = state.gradients_enabled.get()
        found = reverse(again, list(g), sources, create_graph=record)
        return [found.get(source) for source in sources]

    outputs = iter(with_derivative([tensor.read() for tensor in tensors], sources, derivative))
    return unflatten(structure, [Tensor(next(outputs)) if isinstance(leaf, Tensor) else leaf for leaf in leaves])


def _entering(outputs: list[Carrier], start: int) -> list[Carrier]:
    """The carriers that existed before `start` and that the outputs depend on differentiably."""
    entering: dict[Carrier, None] = {}
    seen: set[Carrier] = set()
    stack = [output for output in outputs if output.needs_grad]
    while stack:
        carrier = stack.pop()
        if carrier in seen:
            continue
        seen.add(carrier)
        if carrier.order < start or carrier.leaf is not None:
            entering[carrier] = None
        else:
            stack.extend([source for source in carrier.inputs if source.needs_grad])
    return list(entering)


def _random_state() -> Carrier | None:
    generator = state.generator.get()
    return None if generator is None else detach(generator.read())


def _run_again(function: Callable[..., Any], args: Any, kwargs: Any, random_state: Carrier | None) -> list[Carrier]:
    """The outputs of a second run, recorded; every write that it makes to a handle is taken back."""
    log: list[tuple[Tensor, Carrier]] = []
    generator = state.generator.get()
    with state.using(state.write_log, log), state.using(state.gradients_enabled, True):
        if generator is not None and random_state is not None:
            generator.write(random_state)
        leaves, _ = flatten(function(*args, **kwargs))
        outputs = [leaf.read() for leaf in leaves if isinstance(leaf, Tensor)]
    for handle, carrier in reversed(log):
        handle.write(carrier)
    return outputs
