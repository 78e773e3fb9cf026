"""`Tensor.backward`, and where it leaves gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from chainrule.autodiff.reverse import reachable, reverse
from chainrule.functions.table import METHODS
from chainrule.ir import state
from chainrule.ir.errors import GradientError, ShapeError
from chainrule.ir.value import Carrier, Leaf
from chainrule.ops.creation import full
from chainrule.tensor import NOT_KEPT, Tensor, read_gradient


def backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Iterable[Tensor] | Tensor | None = None,
) -> None:
    """Adds d self / d leaf to the `.grad` of every leaf that requires one (or of `inputs` alone).

    gradient: the cotangent of self, of its shape; may be left out for a scalar, where it is 1.
    The tape is freed unless `retain_graph` or `create_graph`; with `create_graph` the gradients can be differentiated.
    Raises GradientError if nothing requires a gradient, the tape is freed already, or self is no scalar.
    """
    root = self.read()
    if not root.needs_grad:
        raise GradientError(
            "backward: this tensor does not depend on anything that requires a gradient. Was it computed under "
            "no_grad(), from .detach() or .data, or without a parameter?"
        )
    cotangent = starting_cotangent(root, gradient)
    handles = [inputs] if isinstance(inputs, Tensor) else None if inputs is None else list(inputs)
    keep = create_graph if retain_graph is None else retain_graph
    wanted = None if handles is None else [handle.read() for handle in handles]
    if wanted is None:
        refuse_computed(root)
    kept = reverse([root], [cotangent], wanted, create_graph=create_graph, keep_tape=keep)
    for carrier, g in kept.items():
        leaf = carrier.leaf
        if leaf is None:
            raise GradientError("backward: `inputs` names a tensor that is no leaf; call its retain_grad() first.")
        leave(leaf, g)


def refuse_computed(root: Carrier) -> None:
    """Inside a compiled function, a gradient cannot flow on into what was computed outside it."""
    trace = state.trace.get()
    if trace is None or not trace.computed:
        return
    for carrier in reachable([root]):
        if carrier in trace.computed:
            raise GradientError(
                f"backward: the gradient would have to go on behind {trace.computed[carrier]}, {carrier.type}, which "
                "was computed from others before the compiled function was called. Compute it inside the function, "
                "call backward outside it, or pass `x.detach()`."
            )


def starting_cotangent(root: Carrier, gradient: Tensor | None, what: str = "backward") -> Carrier:
    """The cotangent that reverse mode begins with."""
    if gradient is not None:
        given = gradient.read()
        if given.shape != root.shape:
            raise ShapeError(f"{what}: the gradient {given.type} must have the shape of the tensor {root.type}.")
        return given.cast(root.dtype)
    if root.type.size != 1:
        raise GradientError(
            f"{what}: a gradient can be left out for a scalar only; this is {root.type}. "
            "Reduce it (`loss.mean().backward()`), or pass the cotangent: `y.backward(gradient)`."
        )
    return full(root.shape, 1, root.dtype)


def leave(leaf: Leaf, g: Carrier) -> None:
    """Adds g to the gradient of a leaf. What is added to a gradient that was not kept is not kept either."""
    trace = state.trace.get()
    if trace is not None and leaf in trace.leaves:
        present = read_gradient(trace, leaf)
        if present is None:
            trace.gradient(leaf).current = Tensor(g)
        elif isinstance(present, Tensor):
            present.write(present.read() + g)
        return
    if trace is not None:
        trace.inner_leaves.append(leaf)
    if leaf.gradient is None:
        leaf.gradient = Tensor(g)
    elif leaf.gradient is not NOT_KEPT:
        leaf.gradient.write(leaf.gradient.read() + g)


def retain_grad(self: Tensor) -> None:
    """Makes backward leave a gradient in a tensor that is no leaf."""
    carrier = self.read()
    if not carrier.needs_grad:
        raise GradientError("retain_grad: this tensor does not require a gradient.")
    if self._leaf is None:
        carrier.leaf = carrier.leaf or Leaf()
        carrier.leaf.kept = True


class HookHandle:
    """Takes a hook off again."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks = hooks
        self._hook = hook

    def remove(self) -> None:
        """Removes the hook; a second call does nothing."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
    """Calls hook(gradient) when backward reaches this tensor; what it returns, if anything, replaces the gradient."""
    carrier = self.read()
    if not carrier.needs_grad:
        raise GradientError("register_hook: this tensor does not require a gradient.")
    if carrier.leaf is None:
        carrier.leaf = Leaf(kept=False)

    def on_carriers(g: Carrier) -> Carrier | None:
        result = hook(Tensor(g))
        return None if result is None else result.read()

    carrier.leaf.hooks = carrier.leaf.hooks or []
    carrier.leaf.hooks.append(on_carriers)
    return HookHandle(carrier.leaf.hooks, on_carriers)


METHODS.update(backward=backward, retain_grad=retain_grad, register_hook=register_hook)
