"""Functions that bring their own derivative, and functions that are computed again in the backward pass."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from chainrule.autodiff.reverse import reverse
from chainrule.functions.generator import current
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, ShapeError
from chainrule.ir.tree import flatten, unflatten
from chainrule.ir.value import Carrier, next_order
from chainrule.ops.control import detach, with_derivative
from chainrule.tensor import Tensor


class custom_vjp:
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
        self.name = getattr(function, "__name__", "the function")
        self._function = function
        self._forward: Callable[..., Any] | None = None
        self._backward: Callable[..., Any] | None = None

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """Gives the forward function, returning (result, residuals), and the backward function."""
        self._forward, self._backward = forward, backward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._forward is None or self._backward is None:
            raise ArgumentError(f"custom_vjp: {self.name} has no derivative yet: call {self.name}.defvjp(...).")
        if kwargs:
            args = inspect.signature(self._function).bind(*args, **kwargs).args
        self._check(args)
        with state.using(state.gradients_enabled, False):
            result, residuals = self._forward(*args)
        leaves, structure = flatten(result)
        kept, kept_structure = flatten(residuals)
        tensors = [k for k, thing in enumerate(kept) if isinstance(thing, Tensor)]
        inputs = [arg.read() for arg in args if is_tensor(arg)]
        needed = [kept[k].read() for k in tensors]
        plain = [None if isinstance(thing, Tensor) else thing for thing in kept]

        def derivative(g: Any, results: Any, sources: Any) -> list[Carrier | None]:
            restored = list(plain)
            for k, source in zip(tensors, sources[len(inputs) :], strict=True):
                restored[k] = Tensor(source)
            cotangents = unflatten(structure, [Tensor(one) for one in g])
            assert self._backward is not None
            flows = self._backward(unflatten(kept_structure, restored), cotangents)
            return [*self._checked(flows, sources[: len(inputs)]), *[None] * len(tensors)]

        outputs = with_derivative([leaf.read() for leaf in leaves], [*inputs, *needed], derivative)
        return unflatten(structure, [Tensor(output) for output in outputs])

    def _check(self, args: tuple[Any, ...]) -> None:
        for position, arg in enumerate(args):
            inside = [] if isinstance(arg, Tensor) else flatten(arg)[0]
            if any(isinstance(part, Tensor) and part.requires_grad for part in inside):
                raise ArgumentError(
                    f"custom_vjp: argument {position} of {self.name} is a {type(arg).__name__} with a tensor in it "
                    "that requires a gradient, which would get none. Pass each tensor as an argument of its own."
                )

    def _checked(self, flows: Any, sources: Any) -> list[Carrier | None]:
        found = list(flows) if isinstance(flows, tuple | list) else [flows]
        if len(found) != len(sources):
            raise ArgumentError(
                f"custom_vjp: the backward of {self.name} returned {len(found)} cotangents "
                f"for {len(sources)} tensor arguments; return a tuple with one (or None) for each."
            )
        for flow, source in zip(found, sources, strict=True):
            if flow is not None and flow.shape != source.shape:
                raise ShapeError(
                    f"custom_vjp: the backward of {self.name} returned a cotangent {flow.read().type} "
                    f"for the argument {source.type}; it must have the argument's shape."
                )
        return [None if flow is None else flow.read() for flow in found]


def is_tensor(arg: Any) -> bool:
    """Whether an argument takes part in the derivative: a tensor, not a number that a trace made one of."""
    return isinstance(arg, Tensor) and not arg.read().weak


def checkpoint(function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, **kwargs: Any) -> Any:
    """function(*args, **kwargs), whose intermediate results are not kept but computed again in the backward pass.

    Saves memory for time (Chen et al. 2016, "Training deep nets with sublinear memory cost"). The second run draws the
    same random numbers, and what it writes (running statistics) is taken back. `use_reentrant` is accepted and ignored.
    """
    if not state.gradients_enabled.get():
        return function(*args, **kwargs)
    before, start = detach(current().state.read()), next_order()
    result = function(*args, **kwargs)
    leaves, structure = flatten(result)
    outputs = [leaf.read() if isinstance(leaf, Tensor) else None for leaf in leaves]
    sources = _entering([output for output in outputs if output is not None], start)
    again = _SecondRun(function, args, kwargs, before, sources)
    results = iter(with_derivative([output for output in outputs if output is not None], sources, again))
    return unflatten(
        structure, [leaf if o is None else Tensor(next(results)) for leaf, o in zip(leaves, outputs, strict=True)]
    )


class _SecondRun:
    """The derivative of a checkpoint: runs the function again and differentiates that."""

    bound_to_trace = True  # it can run while its trace is recorded, not later

    def __init__(
        self, function: Callable[..., Any], args: Any, kwargs: Any, random_state: Carrier, sources: list[Carrier]
    ) -> None:
        self.function = function
        leaves, self.structure = flatten((args, kwargs))
        self.arguments = [leaf.read() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        self.are_tensors = [isinstance(leaf, Tensor) for leaf in leaves]
        self.random_state = random_state
        self.sources = sources

    def __call__(self, g: Any, results: Any, inputs: Any) -> list[Carrier | None]:
        outputs = self.run()
        found = reverse(outputs, list(g), self.sources, create_graph=state.gradients_enabled.get())
        return [found.get(source) for source in self.sources]

    def run(self) -> list[Carrier]:
        """The outputs, recorded; every write that the run makes to a handle is taken back."""
        pairs = zip(self.arguments, self.are_tensors, strict=True)
        args, kwargs = unflatten(self.structure, [Tensor(thing) if is_tensor else thing for thing, is_tensor in pairs])
        log: list[tuple[Tensor, Carrier]] = []
        with state.using(state.write_log, log), state.using(state.gradients_enabled, True):
            current().state.write(self.random_state)
            leaves, _ = flatten(self.function(*args, **kwargs))
            outputs = [leaf.read() for leaf in leaves if isinstance(leaf, Tensor)]
        for handle, carrier in reversed(log):
            handle.write(carrier)
        return outputs


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
