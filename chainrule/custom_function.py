"""`autograd.Function`: PyTorch's way to give an operation its own derivative, on `ops.control.with_derivative`."""

from __future__ import annotations

from typing import Any

from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, ShapeError
from chainrule.ir.value import Carrier
from chainrule.ops.control import with_derivative
from chainrule.tensor import Tensor


class Context:
    """What forward hands to backward: tensors by `save_for_backward`, everything else as attributes."""

    saved_tensors: tuple[Tensor | None, ...] = ()
    needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors; backward finds them in `saved_tensors`."""
        self.saved_tensors = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Accepted: cotangents are always tensors here, zeros where nothing flows."""


class Function:
    """An operation with a derivative of its own, as in torch.autograd.Function.

        class Cube(autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x * x

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return g * 3 * x * x

        y = Cube.apply(x)

    backward returns one cotangent (or None) per argument of forward, and is written in tensor operations, so second
    derivatives and `compile` work. Tensors reach backward by `save_for_backward` alone; a computed one that is kept as
    an attribute of ctx cannot be differentiated again.
    """

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """Computes the result; given by the subclass."""
        raise NotImplementedError("autograd.Function: define `forward(ctx, ...)` as a staticmethod.")

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        """The cotangents of forward's arguments; given by the subclass."""
        raise NotImplementedError("autograd.Function: define `backward(ctx, g)` as a staticmethod.")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """forward(ctx, *args), to be differentiated by backward."""
        context = Context()
        recording = state.gradients_enabled.get()
        context.needs_input_grad = tuple([recording and isinstance(arg, Tensor) and arg.requires_grad for arg in args])
        with state.using(state.gradients_enabled, False):
            result = cls.forward(context, *args)
        results = list(result) if isinstance(result, tuple | list) else [result]
        places = [k for k, arg in enumerate(args) if isinstance(arg, Tensor)]
        saved = list(context.saved_tensors)
        inputs = [args[k].read() for k in places]
        kept = [tensor.read() for tensor in saved if tensor is not None]
        context.saved_tensors = ()

        def derivative(g: Any, outputs: Any, sources: Any) -> list[Carrier | None]:
            restored = iter(sources[len(inputs) :])
            context.saved_tensors = tuple([None if tensor is None else Tensor(next(restored)) for tensor in given])
            flows = cls.backward(context, *[Tensor(one) for one in g])
            context.saved_tensors = ()
            return [*cls._checked(flows, len(args), places, sources), *[None] * len(kept)]

        given = [None if tensor is None else True for tensor in saved]
        outputs = with_derivative([one.read() for one in results], [*inputs, *kept], derivative)
        tensors = [Tensor(output) for output in outputs]
        return type(result)(tensors) if isinstance(result, tuple | list) else tensors[0]

    @classmethod
    def _checked(cls, flows: Any, count: int, places: list[int], sources: Any) -> list[Carrier | None]:
        found = list(flows) if isinstance(flows, tuple | list) else [flows]
        if len(found) != count:
            raise ArgumentError(
                f"{cls.__name__}.backward returned {len(found)} cotangents for the {count} arguments of forward; "
                "return one for each, None for those without a derivative."
            )
        carriers: list[Carrier | None] = []
        for place, source in zip(places, sources, strict=False):
            flow = None if found[place] is None else found[place].read()
            if flow is not None and flow.shape != source.shape:
                raise ShapeError(
                    f"{cls.__name__}.backward returned {flow.type} for argument {place}, which is {source.type}."
                )
            carriers.append(flow)
        return carriers
