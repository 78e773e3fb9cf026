"""The user's Tensor: a handle on a value (eager) or a node (traced).

Values never change; a write in place gives the handle a new one. What a handle is a view of, and who must hear of the
write, is `views.py`'s matter. The methods come from one table, `functions/`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, GradientError, GradientNotKeptError, InPlaceError, ShapeError
from chainrule.ir.trace import Ended, Trace, leaked
from chainrule.ir.types import DType, dtype_of
from chainrule.ir.value import Carrier, Leaf, Node, Value
from chainrule.ops import promotion
from chainrule.ops.control import detach
from chainrule.views import Detached, View, ViewRule, contiguous_strides

# Bound once: every eager op asks both.
_active_trace = state.trace.get
_recording = state.gradients_enabled.get


class NotKept:
    """Stands in `.grad` after a compiled step that stores no gradients."""


NOT_KEPT = NotKept()


class Tensor:
    """An array of numbers with the derivative of what was computed from it. See PyTorch's `torch.Tensor`."""

    __slots__ = ("__weakref__", "_carrier", "_leaf", "_view", "_writes")
    __array_priority__ = 1000  # NumPy's operators leave mixed operations to ours

    is_scalar_cell = False  # a number in an optimiser's settings: reads as a float

    def __init__(self, carrier: Carrier = None, *sizes: int) -> None:
        self._leaf: Leaf | None = None
        self._view: View | None = None
        self._writes = 0
        if carrier.__class__ is Value:  # first and alone: every eager op ends here
            self._carrier: Carrier = carrier
            return
        if carrier.__class__ is not Node:
            carrier = self.from_data(carrier, sizes)  # Tensor([1, 2]), Tensor(2, 3): see functions/legacy.py
        self._carrier = carrier
        if carrier.__class__ is Node:
            trace = state.trace.get()
            if trace is not None:
                trace.handles.add(self)

    # What it holds ----------------------------------------------------------------------------------------------------

    def read(self) -> Carrier:
        """The value or node that this handle stands for now."""
        trace, view = _active_trace(), self._view
        if view is not None and (trace is not None or view.base._version() != view.seen):
            self._follow_base(view)
        if trace is not None:
            return trace.read(self)
        carrier = self._carrier
        if carrier.__class__ is Value:
            return carrier
        raise leaked(carrier if carrier.__class__ is Ended else Ended(carrier.origin))

    def read_outside(self) -> Carrier:
        """The value that this handle has outside the trace that is going on."""
        with state.using(state.trace, None):
            return self.read()

    def _follow_base(self, view: View) -> None:
        """Computes the view again if its base was written since."""
        trace = state.trace.get()
        if trace is not None and self._carrier.__class__ is Value:  # a view from outside
            written = view.base._version() != view.base._version_outside()
            if written or (self._carrier.primitive is not None and self._carrier.leaf is None):  # or on the tape
                trace.cell(self).current = self._view_of_base(view)
            return
        version = view.base._version()
        if version != view.seen:
            self._carrier = self._as_leaf(self._view_of_base(view))
            view.seen = version

    def _view_of_base(self, view: View) -> Carrier:
        with state.using(state.gradients_enabled, view.tracked):
            return view.rule.read(view.base.read())

    def _version(self) -> int:
        """The number of writes to this handle and to what it is a view of."""
        trace = _active_trace()
        own = self._writes if trace is None else trace.version(self)
        return own if self._view is None else own + self._view.base._version()

    def _version_outside(self) -> int:
        return self._writes if self._view is None else self._writes + self._view.base._version_outside()

    def write(self, carrier: Carrier) -> None:
        """Gives the handle a new value, and what it is a view of with it."""
        log = state.write_log.get()
        if log is not None:
            log.append((self, self.read()))
        view = self._view
        if view is not None:
            view.base.write(view.rule.write(view.base.read(), carrier))
            return
        trace = state.trace.get()
        if trace is not None:
            trace.write(self, self._as_leaf(carrier))
        else:
            self._carrier = self._as_leaf(carrier)
        self._writes += trace is None or self._carrier.__class__ is Node

    def _as_leaf(self, carrier: Carrier) -> Carrier:
        """A leaf that is written stays the same leaf."""
        leaf = self._leaf
        if leaf is None or carrier.leaf is leaf or not self._carrier.needs_grad:
            return carrier
        if carrier.__class__ is Value:
            return Value(carrier.array, needs_grad=True, leaf=leaf)
        node = carrier if not carrier.inputs else detach(carrier)
        return Node(node.primitive, node.inputs, node.params, node.type, node.origin, True, False, leaf)

    def write_in_place(self, carrier: Carrier, what: str) -> Tensor:
        """What every in-place method ends with: checks that the write is allowed, then writes. Returns the handle."""
        held = self.read()
        if carrier.shape != held.shape:
            raise ShapeError(f"{what}: the result {carrier.type} does not fit the tensor {held.type} it is written to.")
        if carrier.dtype is not held.dtype:
            if carrier.dtype.category > held.dtype.category:
                raise InPlaceError(
                    f"{what}: a result of {carrier.dtype.name} cannot be stored in a tensor of {held.dtype.name}. "
                    f"Use the operation that returns a new tensor, or `x = x.to(chainrule.{carrier.dtype.name})` first."
                )
            carrier = promotion.cast(carrier, held.dtype)
        self.check_writable(what)
        self.write(carrier)
        return self

    def check_writable(self, what: str) -> None:
        """Raises InPlaceError for a leaf that requires a gradient (or a view of one) while gradients are recorded."""
        if not state.gradients_enabled.get():
            return
        handle: Tensor | None = self
        while handle is not None:
            if handle._leaf is not None and handle.requires_grad:
                kind = "a leaf" if handle is self else "a view of a leaf"
                raise InPlaceError(
                    f"{what}: {kind} tensor that requires a gradient is written in place while gradients are recorded. "
                    "Write inside `with chainrule.no_grad():`, or to `.data`."
                )
            view = handle._view
            if view is None:
                return
            if isinstance(view.rule, Detached):
                if view.base._carrier.__class__ is Value and view.base._carrier.inputs:
                    raise InPlaceError(
                        f"{what}: this is the detached value of a computed tensor, whose derivative would no longer "
                        "belong to its value. Write to `x.detach().clone()`."
                    )
                return
            handle = view.base

    def view_as_rule(self, rule: ViewRule, carrier: Carrier = None) -> Tensor:
        """A handle on the view of this one by `rule`. Who has read this one already gives the carrier."""
        result = Tensor(rule.read(self.read() if carrier is None else carrier))
        result._view = View(self, rule, self._version(), _recording())
        return result

    def strides_in_elements(self) -> tuple[int, ...]:
        """The strides that PyTorch would report, in elements."""
        if self._view is None:
            return contiguous_strides(self.shape)
        base = self._view.base
        return self._view.rule.strides(base.shape, base.strides_in_elements())

    def name_in_graph(self) -> str:
        """What the graph's text calls this handle."""
        return type(self).__name__.lower()

    # What is known of it ----------------------------------------------------------------------------------------------

    def _enter_trace(self) -> None:
        """Of what a trace asks the type, that type must still be the same at the next call."""
        trace = _active_trace()
        if trace is not None and self._carrier.__class__ is Value:
            trace.cell(self)

    @property
    def shape(self) -> Size:
        self._enter_trace()
        return Size(self._carrier.shape if self._view is None else self.read().shape)

    @property
    def dtype(self) -> DType:
        if self._carrier.__class__ is Ended:
            raise leaked(self._carrier)
        self._enter_trace()
        dtype: DType = self._carrier.dtype
        return dtype

    @property
    def requires_grad(self) -> bool:
        return bool(self.read().needs_grad)

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        self.requires_grad_(flag)

    def requires_grad_(self, flag: bool = True) -> Tensor:
        """Says whether `backward` shall leave a gradient here. Only floating leaves can require one."""
        carrier = self.read()
        if bool(flag) == carrier.needs_grad:
            return self
        if carrier.needs_grad and self._leaf is None:
            raise GradientError(
                "requires_grad can be changed on leaves only; use `x.detach()` to cut a computed tensor."
            )
        if flag and not carrier.dtype.is_floating_point:
            raise GradientError(f"only floating tensors can require a gradient; this one is {carrier.dtype.name}.")
        state.bump_version()
        if flag:
            self._leaf = self._leaf or Leaf()  # who no longer requires a gradient still has the one that it had
        leaf = self._leaf if flag else None
        if carrier.__class__ is Value:
            self._carrier = Value(carrier.array, needs_grad=bool(flag), leaf=leaf)
            return self
        source = detach(carrier)
        node = Node(source.primitive, source.inputs, source.params, source.type, source.origin, flag, False, leaf)
        trace = state.trace.get()
        if trace is not None and self._carrier.__class__ is Value:
            trace.require_grad(self, node)
        else:
            self._carrier = node
        return self

    @property
    def is_leaf(self) -> bool:
        carrier = self.read()
        return not carrier.needs_grad or self._leaf is not None

    @property
    def grad_fn(self) -> Any:
        """The primitive that made this tensor, None for a leaf."""
        carrier = self.read()
        return carrier.primitive if carrier.needs_grad and self._leaf is None else None

    # Gradient ---------------------------------------------------------------------------------------------------------

    @property
    def grad(self) -> Tensor | None:
        leaf = self._leaf or self._carrier.leaf
        if leaf is None:
            return None
        trace = state.trace.get()
        gradient: Tensor | NotKept | None = leaf.gradient
        if trace is not None and (self._carrier.__class__ is Value or leaf in trace.leaves):
            gradient = read_gradient(trace, leaf)
        if isinstance(gradient, NotKept):
            raise not_kept()
        return gradient

    @grad.setter
    def grad(self, gradient: Tensor | None) -> None:
        if gradient is not None:
            if not isinstance(gradient, Tensor):
                raise ArgumentError(f"grad: a Tensor or None is needed, not {type(gradient).__name__}.")
            if gradient.shape != self.shape or gradient.dtype is not self.dtype:
                raise ShapeError(
                    f"grad: the gradient {gradient.read().type} must be of the tensor's type {self.read().type}."
                )
        if self._leaf is None:
            if gradient is None:
                return
            self._leaf = Leaf()  # PyTorch allows a gradient beside a tensor that does not require one
        trace = state.trace.get()
        if trace is not None and (self._carrier.__class__ is Value or self._leaf in trace.leaves):
            trace.gradient(self._leaf).current = gradient
        else:
            self._leaf.gradient = gradient

    if TYPE_CHECKING:  # methods and operators from the table

        def __getattr__(self, name: str) -> Any: ...

        __add__: Any
        __radd__: Any
        __sub__: Any
        __rsub__: Any
        __mul__: Any
        __rmul__: Any
        __truediv__: Any
        __rtruediv__: Any
        __floordiv__: Any
        __mod__: Any
        __pow__: Any
        __rpow__: Any
        __matmul__: Any
        __neg__: Any
        __invert__: Any
        __and__: Any
        __or__: Any
        __xor__: Any
        __lt__: Any
        __le__: Any
        __gt__: Any
        __ge__: Any
        __getitem__: Any
        __setitem__: Any
        __iter__: Any
        __len__: Any
        __bool__: Any
        __int__: Any
        __float__: Any


class Size(tuple[int, ...]):
    """A shape, as PyTorch gives it: a tuple that also counts elements."""

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements."""
        return int(np.prod(self, dtype=np.int64))

    def __repr__(self) -> str:
        return f"chainrule.Size({list(self)})"


def read_gradient(trace: Trace, leaf: Leaf) -> Tensor | NotKept | None:
    """`.grad` of a leaf from outside, inside a trace."""
    known = id(leaf) in trace.gradients
    entry = trace.gradient(leaf)
    if not known:
        entry.was_read, entry.was = True, leaf.gradient.__class__
        if leaf.gradient is NOT_KEPT:
            entry.current = NOT_KEPT
        elif leaf.gradient is not None:
            entry.current = entry.original = Tensor(trace.gradient_input(entry))
    current: Tensor | NotKept | None = entry.current
    return current


def not_kept() -> GradientNotKeptError:
    """The error of reading `.grad` after a step that stores none."""
    return GradientNotKeptError(
        "the last compiled step did not store gradients: it computed them, used them and let them go. "
        "Write `@chainrule.compile(keep_grads=True)` to keep them, or return the gradient from the step."
    )


class CellTensor(Tensor):
    """What programs read and write in place of the handle: whoever uses it outside of them is counted.

    A program may then keep its own arrays for it from call to call (`short_call.py`).
    """

    __slots__ = ()

    def read(self) -> Carrier:
        """As Tensor's."""
        state.count_cell_use()
        return Tensor.read(self)

    def write(self, carrier: Carrier) -> None:
        """As Tensor's."""
        state.count_cell_use()
        Tensor.write(self, carrier)


class Parameter(CellTensor):
    """A tensor that is trained: a leaf that requires a gradient, found by `Module.parameters()`.

    data: Tensor (copied is only its handle, as in PyTorch); requires_grad: bool.
    """

    __slots__ = ("__dict__",)

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        super().__init__(initial_value(data))
        note_made(self)
        if requires_grad:
            self.requires_grad_(True)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(CellTensor):
    """A tensor that is state but not trained: running statistics, an optimiser's slots, a generator.

    Constructed while tracing, its initial value is computed at once and the program takes it as an input.
    """

    __slots__ = ("__dict__", "persistent")

    def __init__(self, data: Any = None, persistent: bool = True) -> None:
        super().__init__(initial_value(data))
        note_made(self)
        self.persistent = persistent


class ScalarCell(Buffer):
    """A number that a compiled step reads anew at every call: a learning rate, a momentum. Reads as a float."""

    __slots__ = ()

    is_scalar_cell = True
    read = Tensor.read  # programs look at each of them at every call
    write = Tensor.write

    def __init__(self, number: float) -> None:
        super().__init__(Tensor(Value(np.asarray(number, np.float64))))


def note_made(cell: Tensor) -> None:
    """Tells the trace that is going on of a cell that is constructed in it."""
    trace = state.trace.get()
    if trace is not None:
        trace.made[id(cell)] = ref(cell)


def initial_value(data: Any) -> Value:
    """The value that a new Parameter or Buffer begins with; inside a trace it is computed now."""
    if data is None:
        return Value(np.zeros(0, np.float32))
    if not isinstance(data, Tensor):
        raise ArgumentError(f"a Tensor is needed, not {type(data).__name__}; wrap it: `chainrule.tensor(...)`.")
    trace = state.trace.get()
    return Value(data.read().array if trace is None else trace.evaluate(data.read()))


def from_array(array: Any, dtype: DType | None = None) -> Tensor:
    """A Tensor on a copy of array-like data, in aligned memory of its own."""
    source = np.asarray(array)
    wanted = dtype or dtype_of(source.dtype)
    trace = state.trace.get()
    if trace is not None and source is array:
        return Tensor(promotion.cast(trace.lift_foreign(source), wanted))
    return Tensor(constant(aligned_copy(source, wanted)))


def constant(array: np.ndarray[Any, Any]) -> Carrier:
    """The carrier of an array that nobody else will write."""
    trace = state.trace.get()
    return Value(array) if trace is None else trace.lift(array)


def aligned_copy(source: np.ndarray[Any, Any], dtype: DType) -> np.ndarray[Any, Any]:
    """A C-ordered copy in aligned memory."""
    result = aligned_empty(source.shape, dtype)
    result[...] = source
    return result


def aligned_empty(shape: tuple[int, ...], dtype: DType) -> np.ndarray[Any, Any]:
    """An array, not filled yet, that begins at a multiple of 64 bytes, as vector loads like it."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype.numpy).reshape(shape)
