"""Module: what layers and models are made of. PyTorch's protocol, on cells that a compiled step updates in place.

Every write to a module bumps the version that compiled functions compare, so none of them goes stale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

from chainrule.ir import state
from chainrule.ir.errors import InPlaceError, NotYetError, RegistrationError, ShapeError
from chainrule.nn import hooks, modes, printing, saving, walk
from chainrule.nn.leaks import is_traced, refuse_compiled, refuse_traced
from chainrule.nn.missing import MODULE_METHODS
from chainrule.tensor import Buffer, Parameter, Tensor

TABLES = ("_parameters", "_buffers", "_modules")


def _no_forward(self: Module, *args: Any, **kwargs: Any) -> Any:
    name = type(self).__name__
    raise NotImplementedError(f"{name} has no forward: define `def forward(self, x): ...` in class {name}.")


class Module:
    """Base class of layers and models: parameters, buffers and other modules as attributes, and a `forward`.

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Linear(4, 8)
            self.register_buffer("calls", chainrule.zeros(()))

        def forward(self, x):
            self.calls = self.calls + 1          # writes the buffer, also in a compiled step
            return self.hidden(x).relu()
    """

    # Compiled functions rely on these: every write to an attribute, and to these tables, bumps the version; and of a
    # module's attributes this class itself asks for no others.
    _bumps_version_ = True
    _counted_tables_ = (*TABLES, "_non_persistent_buffers_set", "_forward_pre_hooks", "_forward_hooks")
    _reads_ = (*_counted_tables_, "training")
    _may_be_missing_: tuple[str, ...] = ()  # names of tensors that a state dict need not have

    training: bool
    forward: Callable[..., Any] = _no_forward

    def __init__(self) -> None:
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _modules={},
            _forward_pre_hooks={},
            _forward_hooks={},
        )
        state.bump_version()

    # Calls ------------------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = state.layers.set((state.layers.get(), ref(self)))
        try:
            if self._forward_hooks or self._forward_pre_hooks:
                return hooks.call_with_hooks(self, args, kwargs)
            return self.forward(*args, **kwargs)
        finally:
            state.layers.reset(token)

    name_within = walk.name_within

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> hooks.RemovableHandle:
        """hook(module, args) is called before forward; what it returns, if anything, replaces the arguments."""
        return hooks.RemovableHandle(self._forward_pre_hooks, hook, with_kwargs, prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> hooks.RemovableHandle:
        """hook(module, args, result) is called after forward; what it returns, if anything, replaces the result."""
        if always_call:
            raise NotYetError("register_forward_hook: always_call=True is not available yet.")
        return hooks.RemovableHandle(self._forward_hooks, hook, with_kwargs, prepend)

    # Attributes -------------------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__
        for table in TABLES:
            members = fields.get(table)
            if members is not None and name in members:
                return members[name]
        if name in MODULE_METHODS:
            raise NotYetError(f"nn.Module.{name} is part of PyTorch's interface that chainrule does not have yet.")
        early = "" if "_modules" in fields else "; `super().__init__()` was not called"
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'{early}", name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        tables = self.__dict__
        if isinstance(value, Parameter):
            self._enter("_parameters", name, value)
        elif isinstance(value, Module):
            self._enter("_modules", name, value)
        elif name in tables.get("_parameters", ()):
            if value is not None:
                raise RegistrationError(
                    f"cannot assign {type(value).__name__} as parameter '{name}': a Parameter or None is needed. "
                    f"To write its value: `with chainrule.no_grad(): self.{name}.copy_(...)`; "
                    f"to replace it: `self.{name} = nn.Parameter(...)`."
                )
            tables["_parameters"][name] = None
        elif name in tables.get("_modules", ()):
            if value is not None:
                raise RegistrationError(
                    f"cannot assign {type(value).__name__} as child module '{name}': a Module or None is needed."
                )
            tables["_modules"][name] = None
        elif name in tables.get("_buffers", ()):
            self._assign_buffer(name, value)
        elif isinstance(value, Buffer):
            self._enter("_buffers", name, value)
            self._set_persistence(name, value.persistent)
        else:
            refuse_compiled(name, value)
            trace = state.trace.get()
            if trace is not None:
                refuse_traced(name, value)
                trace.effects.append((ref(self), name, value))
            object.__setattr__(self, name, value)
        state.bump_version()  # after the write: who sees the new version must see what was written

    def __delattr__(self, name: str) -> None:
        table = next((table for table in TABLES if name in self.__dict__.get(table, ())), None)
        if table is None:
            object.__delattr__(self, name)
        else:
            del self.__dict__[table][name]
            self._non_persistent_buffers_set.discard(name)
        state.bump_version()

    def __dir__(self) -> list[str]:
        names = {*super().__dir__(), *(name for table in TABLES for name in self.__dict__.get(table, ()))}
        return sorted(name for name in names if not name[0].isdigit())

    def _enter(self, table: str, name: str, member: Any) -> None:
        """Puts a member in its table, and takes the name out of wherever else it stood."""
        if table not in self.__dict__:
            raise RegistrationError(
                f"{type(self).__name__}.{name} is assigned before `super().__init__()` was called; call it first."
            )
        if name not in self.__dict__[table]:
            self.__dict__.pop(name, None)
            for other in TABLES:
                self.__dict__[other].pop(name, None)
            self._non_persistent_buffers_set.discard(name)
        self.__dict__[table][name] = member
        state.bump_version()

    def _assign_buffer(self, name: str, value: Any) -> None:
        """Assignment to a registered buffer: writes the cell, or empties (None) or fills the name."""
        held = self._buffers[name]
        if value is not None and not isinstance(value, Tensor):
            raise RegistrationError(
                f"cannot assign {type(value).__name__} as buffer '{name}': a Tensor or None is needed. "
                f"To fill it: `self.{name}.fill_(...)`."
            )
        if value is None or held is None:
            if value is not None and state.trace.get() is not None:
                refuse_traced(name, value)
            self._buffers[name] = value
            return
        if value is held:  # `self.calls += 1` has written already
            return
        if held._view is not None:
            raise InPlaceError(
                f"buffer '{name}' is a view of another tensor, which this assignment would write. "
                f"Register a copy: `self.register_buffer('{name}', tensor.clone())`."
            )
        if value.shape != held.shape:
            raise ShapeError(
                f"buffer '{name}' is {held.read().type}, what is assigned is {value.read().type}. "
                f"A buffer keeps its shape; for another one: `self.register_buffer('{name}', tensor)`."
            )
        held.write_in_place(value.read(), f"assignment to buffer '{name}'")

    def _set_persistence(self, name: str, persistent: bool) -> None:
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    # Registration -----------------------------------------------------------------------------------------------------

    def _check_name(self, kind: str, name: Any, table: str) -> None:
        if not isinstance(name, str):
            raise RegistrationError(f"the name of a {kind} must be a string, not {type(name).__name__}.")
        if not name or "." in name:
            raise RegistrationError(f"the name of a {kind} must be without '.' and not empty, not '{name}'.")
        if table not in self.__dict__:
            raise RegistrationError(f"a {kind} is registered before `super().__init__()` was called; call it first.")
        if name not in self.__dict__[table] and hasattr(self, name):
            raise RegistrationError(f"{type(self).__name__} has an attribute '{name}' already.")

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Enters a tensor that is state but not trained: saved with the module (if persistent), written in place.

        The tensor itself becomes the cell. Inside a compiled function, its value in this call becomes the initial one.
        """
        self._check_name("buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise RegistrationError(f"buffer '{name}': a Tensor or None is needed, not {type(tensor).__name__}.")
        if is_traced(tensor):
            tensor = Buffer(tensor, persistent)
        self._enter("_buffers", name, tensor)
        self._set_persistence(name, persistent)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Enters a parameter, or None for one that this module does without."""
        if param is not None and not isinstance(param, Parameter):
            raise RegistrationError(
                f"parameter '{name}': a Parameter or None is needed, not {type(param).__name__}; "
                "wrap it: `nn.Parameter(tensor)`."
            )
        self._check_name("parameter", name, "_parameters")
        self._enter("_parameters", name, param)

    def add_module(self, name: str, module: Module | None) -> None:
        """Enters a child, or None for one that this module does without."""
        if module is not None and not isinstance(module, Module):
            raise RegistrationError(f"module '{name}': a Module or None is needed, not {type(module).__name__}.")
        self._check_name("module", name, "_modules")
        self._enter("_modules", name, module)

    register_module = add_module

    # What it holds (walk.py) ------------------------------------------------------------------------------------------

    named_modules = walk.named_modules
    modules = walk.modules
    named_children = walk.named_children
    children = walk.children
    named_parameters = walk.named_parameters
    parameters = walk.parameters
    named_buffers = walk.named_buffers
    buffers = walk.buffers
    get_submodule = walk.get_submodule
    get_parameter = walk.get_parameter
    get_buffer = walk.get_buffer

    # What is said to all of it (modes.py) -----------------------------------------------------------------------------

    train = modes.train
    eval = modes.evaluate
    requires_grad_ = modes.requires_grad_
    zero_grad = modes.zero_grad
    apply = modes.apply
    to = modes.to
    float = modes.to_float
    double = modes.to_double
    cpu = modes.to_cpu

    # Saving and loading (saving.py) -----------------------------------------------------------------------------------

    state_dict = saving.state_dict
    load_state_dict = saving.load_state_dict

    def get_extra_state(self) -> Any:
        """For classes with state that is no tensor: what `state_dict` shall store beside the tensors."""
        raise NotImplementedError("a class that defines set_extra_state must define get_extra_state.")

    def set_extra_state(self, state: Any) -> None:
        """For classes with state that is no tensor: takes back what get_extra_state gave."""
        raise NotImplementedError("a class that defines get_extra_state must define set_extra_state.")

    def _has_extra_state(self) -> bool:
        return type(self).get_extra_state is not Module.get_extra_state

    # Text (printing.py) -----------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands between the parentheses of the module's text: its settings."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def _child_lines(self) -> list[str]:
        return [f"({name}): {child._text()}" for name, child in self._modules.items() if child is not None]

    def _text(self) -> str:
        """The module inside another one's text: without the sum of its parameters."""
        return printing.layout(self) if type(self).__repr__ is Module.__repr__ else repr(self)

    def __repr__(self) -> str:
        return printing.shown(self)
