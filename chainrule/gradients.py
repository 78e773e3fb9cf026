"""Derivatives of functions: grad, value_and_grad, vjp, jvp, hvp, jacobian, hessian; and gradients on and off.

Signatures are those of `torch.autograd.grad` and `torch.autograd.functional`; `value_and_grad` is JAX's. `strict` and
`vectorize` are accepted and have no effect: where nothing flows the derivative is zero.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from chainrule.autodiff.reverse import reverse
from chainrule.functions.gradient import backward as leave_gradients
from chainrule.functions.gradient import starting_cotangent
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, GradientError, ShapeError
from chainrule.ir.tree import flatten, unflatten
from chainrule.ir.types import int64
from chainrule.ir.value import Carrier, Value
from chainrule.ops.control import alias
from chainrule.ops.creation import full, iota, zeros_like
from chainrule.ops.elementwise import eq
from chainrule.ops.movement import concatenate
from chainrule.ops.promotion import cast
from chainrule.tensor import Tensor

# On and off -----------------------------------------------------------------------------------------------------------


class set_grad_enabled:
    """Turns the recording of gradients on or off: at once, for a `with` block, or as a decorator."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._before = [state.gradients_enabled.get()]
        state.gradients_enabled.set(mode)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        state.gradients_enabled.set(self._before.pop())


class _Mode:
    """A context manager, and decorator, in which recording is `mode`."""

    mode = False

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self._before: list[bool] = []
        self._function = function
        if function is not None:
            functools.update_wrapper(self, function)

    def __enter__(self) -> None:
        self._before.append(state.gradients_enabled.get())
        state.gradients_enabled.set(self.mode)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        state.gradients_enabled.set(self._before.pop())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._function is not None:
            with state.using(state.gradients_enabled, self.mode):
                return self._function(*args, **kwargs)
        (function,) = args

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with state.using(state.gradients_enabled, self.mode):
                return function(*args, **kwargs)

        return wrapped


class no_grad(_Mode):
    """Inside it nothing is recorded: results do not require a gradient."""


class enable_grad(_Mode):
    """Inside it operations are recorded, also within no_grad."""

    mode = True


class inference_mode(no_grad):
    """The same as no_grad."""


def is_grad_enabled() -> bool:
    """Whether operations are recorded now."""
    return state.gradients_enabled.get()


# Gradients of tensors -------------------------------------------------------------------------------------------------


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """`tensor.backward(...)` for each of several tensors. See torch.autograd.backward."""
    roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for position, (root, g) in enumerate(zip(roots, _as_list(grad_tensors, len(roots)), strict=True)):
        last = position == len(roots) - 1
        leave_gradients(root, g, retain_graph if last else True, create_graph, inputs)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The sum over outputs of the derivative by each input, without touching any `.grad`. See torch.autograd.grad.

    Raises GradientError if an output requires no gradient, or an input was not used (unless `allow_unused`, then None).
    """
    if not only_inputs:
        raise ArgumentError("grad: only_inputs=False is not supported; `backward` leaves gradients in all leaves.")
    if is_grads_batched:
        raise ArgumentError("grad: is_grads_batched is not supported; call grad once per cotangent.")
    outs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    ins = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    given = _as_list(grad_outputs, len(outs))
    roots = [out.read() for out in outs]
    for root in roots:
        if not root.needs_grad:
            raise GradientError("grad: an output does not depend on anything that requires a gradient.")
    cotangents = [starting_cotangent(root, g, "grad") for root, g in zip(roots, given, strict=True)]
    wanted = [tensor.read() for tensor in ins]
    keep = create_graph if retain_graph is None else retain_graph
    found = reverse(roots, cotangents, wanted, create_graph=create_graph, keep_tape=keep)
    return tuple(
        [_one_gradient(k, carrier, found, bool(allow_unused), materialize_grads) for k, carrier in enumerate(wanted)]
    )


def _one_gradient(
    position: int, carrier: Carrier, found: dict[Carrier, Carrier], allow_unused: bool, materialize: bool
) -> Tensor | None:
    g = found.get(carrier)
    if g is not None:
        return Tensor(g)
    if materialize:
        return Tensor(zeros_like(carrier))
    if not allow_unused:
        raise GradientError(
            f"grad: input {position}, {carrier.type}, was not used to compute the outputs, or does not require a "
            "gradient. Pass allow_unused=True to get None for it."
        )
    return None


def _as_list(thing: Any, length: int) -> list[Any]:
    if thing is None:
        return [None] * length
    return [thing] if isinstance(thing, Tensor) else list(thing)


# Derivatives of functions ---------------------------------------------------------------------------------------------


def point(tensor: Tensor) -> Tensor:
    """A handle on the same value at which a derivative can be taken, connected to what the value came from."""
    carrier = tensor.read()
    if not carrier.dtype.is_floating_point:
        raise GradientError(f"only floating tensors can be differentiated by; this one is {carrier.dtype.name}.")
    if carrier.needs_grad:
        return Tensor(alias(carrier))
    fresh = Tensor(alias(carrier) if carrier.__class__ is not Value else carrier)
    return fresh.requires_grad_(True)


class _Transform:
    """Runs a function at points of its own, recording, and knows whether an outer transform will differentiate it."""

    def __enter__(self) -> _Transform:
        self.depth = state.transform_depth.get() + 1
        self._tokens = (state.transform_depth.set(self.depth), state.gradients_enabled.set(True))
        return self

    def __exit__(self, *_: object) -> None:
        state.gradients_enabled.reset(self._tokens[1])
        state.transform_depth.reset(self._tokens[0])

    @property
    def nested(self) -> bool:
        return self.depth > 1


def value_and_grad(
    function: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """A function that returns function's value and its gradient by the arguments `argnums` (trees of tensors).

    function returns a scalar tensor; with `has_aux`, a pair of it and anything else. The result can be differentiated
    again by any transform around it.
    """

    @functools.wraps(function)
    def with_gradient(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        numbers = (argnums,) if isinstance(argnums, int) else argnums
        with _Transform() as transform:
            arguments = list(args)
            trees = []
            for number in numbers:
                leaves, structure = flatten(args[number])
                points = [point(leaf) for leaf in leaves]
                trees.append((points, structure))
                arguments[number] = unflatten(structure, list(points))
            result = function(*arguments, **kwargs)
            value = result[0] if has_aux else result
            flat = [p for points, _ in trees for p in points]
            found = _gradients(value, flat, transform.nested)
        gradients = []
        for points, structure in trees:
            gradients.append(unflatten(structure, found[: len(points)]))
            found = found[len(points) :]
        cut = result if transform.nested else _cut(result)
        return cut, gradients[0] if isinstance(argnums, int) else tuple(gradients)

    return with_gradient


def _cut(result: Any) -> Any:
    """The values of a result alone, without the tape of a transform that is over."""
    leaves, structure = flatten(result)
    return unflatten(structure, [leaf.detach() if isinstance(leaf, Tensor) else leaf for leaf in leaves])


def _gradients(
    value: Tensor, points: list[Tensor], create_graph: bool, cotangent: Tensor | None = None
) -> list[Tensor]:
    """d value / d points, zeros where it does not depend on them."""
    root = value.read()
    wanted = [p.read() for p in points]
    if not root.needs_grad:
        return [Tensor(zeros_like(carrier)) for carrier in wanted]
    start = starting_cotangent(root, cotangent, "grad")
    found = reverse([root], [start], wanted, create_graph=create_graph)
    return [Tensor(found[carrier] if carrier in found else zeros_like(carrier)) for carrier in wanted]


def _points(inputs: Any) -> tuple[list[Tensor], bool]:
    single = isinstance(inputs, Tensor)
    return [point(tensor) for tensor in ([inputs] if single else inputs)], single


def _only(results: Sequence[Any], single: bool) -> Any:
    return results[0] if single else tuple(results)


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), v^T J): the cotangents of the inputs for the cotangent v of the output (1 for a scalar)."""
    with _Transform() as transform:
        points, single = _points(inputs)
        outputs = func(*points)
        outs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        record = create_graph or transform.nested
        found = _pull_back(outs, _as_list(v, len(outs)), points, record)
    return (outputs if record else _cut(outputs)), _only(found, single)


def _pull_back(outs: list[Tensor], cotangents: list[Any], points: list[Tensor], record: bool) -> list[Tensor]:
    pairs = [(out.read(), g) for out, g in zip(outs, cotangents, strict=True)]
    starts = [starting_cotangent(root, g, "vjp") for root, g in pairs]
    wanted = [p.read() for p in points]
    found = reverse([root for root, _ in pairs], starts, wanted, create_graph=record)
    return [Tensor(found[carrier] if carrier in found else zeros_like(carrier)) for carrier in wanted]


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), J v): the derivative along the direction v of the inputs. It is the vjp of the vjp."""
    with _Transform() as transform:
        points, _ = _points(inputs)
        directions = _as_list(v, len(points))
        for p, direction in zip(points, directions, strict=True):
            if direction is None and p.numel() != 1:
                raise ArgumentError("jvp: a direction v is needed for inputs that are no scalars.")
            if direction is not None and direction.shape != p.shape:
                raise ShapeError(f"jvp: the direction {direction.read().type} must be like the input {p.read().type}.")
        record = create_graph or transform.nested
        outputs = func(*points)
        outs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        duals = [point(Tensor(zeros_like(out.read()))) for out in outs]
        pulled = _pull_back(outs, duals, points, True)
        pushed = _pull_back(pulled, directions, duals, record)
    return (outputs if record else _cut(outputs)), _only(pushed, isinstance(outputs, Tensor))


def hvp(
    func: Callable[..., Tensor], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), H v) for a scalar function: the Hessian is never formed."""
    with _Transform() as transform:
        points, single = _points(inputs)
        value = func(*points)
        record = create_graph or transform.nested
        gradients = _gradients(value, points, True)
        found = _pull_back(gradients, _as_list(v, len(points)), points, record)
    return (value if record else _cut(value)), _only(found, single)


def jacobian(func: Callable[..., Any], inputs: Any, create_graph: bool = False, **speed_only: Any) -> Any:
    """d func / d inputs: a tensor of shape output.shape + input.shape; nested tuples for several. See PyTorch's."""
    with _Transform() as transform:
        points, single = _points(inputs)
        outputs = func(*points)
        outs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        record = create_graph or transform.nested
        result = [tuple(_rows(out, points, record)) for out in outs]
    blocks = [_only(row, single) for row in result]
    return _only(blocks, isinstance(outputs, Tensor))


def _rows(out: Tensor, points: list[Tensor], record: bool) -> list[Tensor]:
    """One row of the Jacobian per element of the output, stacked."""
    root = out.read()
    rows: list[list[Carrier]] = [[] for _ in points]
    for element in range(root.type.size):
        cotangent = _one_hot_like(root, element)
        wanted = [p.read() for p in points]
        found = reverse([root], [cotangent], wanted, create_graph=record) if root.needs_grad else {}
        for row, carrier in zip(rows, wanted, strict=True):
            row.append(found[carrier] if carrier in found else zeros_like(carrier))
    return [Tensor(_stacked(row, p.read(), root.shape)) for row, p in zip(rows, points, strict=True)]


def _one_hot_like(root: Carrier, element: int) -> Carrier:
    flat = iota(root.type.size, int64)
    return cast(eq(flat, element), root.dtype).reshape(root.shape)


def _stacked(rows: list[Carrier], x: Carrier, out_shape: tuple[int, ...]) -> Carrier:
    if not rows:
        return full((*out_shape, *x.shape), 0, x.dtype)
    return concatenate([row.reshape((1, *x.shape)) for row in rows], 0).reshape((*out_shape, *x.shape))


def hessian(func: Callable[..., Tensor], inputs: Any, create_graph: bool = False, **speed_only: Any) -> Any:
    """The second derivatives of a scalar function: input.shape + input.shape; a tuple of tuples for several inputs."""
    single = isinstance(inputs, Tensor)

    def gradient(*points: Tensor) -> Any:
        value = func(*points)
        if value.numel() != 1:
            raise GradientError(f"hessian: the function must return a scalar, not {value.read().type}.")
        return tuple(_gradients(value, list(points), True))

    rows = jacobian(gradient, (inputs,) if single else inputs, create_graph)
    return rows[0][0] if single else rows
