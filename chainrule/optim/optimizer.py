"""The base of all optimisers: it walks the parameters, and what it remembers of each lives in Buffers.

An optimiser is two methods (and a constructor that checks its settings):

    def init(self, p, group):  -> {"momentum_buffer": zeros_like(p)}      what is remembered of a parameter at first
    def update(self, p, grad, state, group): ...                          one step: writes p and the slots in place

`group["lr"]` is a number outside a compiled step and a traced scalar inside one. So that both give the same bits, what
depends on `step` or uses ** is computed with float64 tensors in both, and an update branches on settings through
`group.is_zero(name)` only. A class with a `step` of its own, as PyTorch's custom optimisers have, works too.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from chainrule.ir import state as process
from chainrule.ir.errors import ArgumentError, NotYetError
from chainrule.ir.origin import here, is_ours
from chainrule.ops.creation import zeros_like
from chainrule.optim import state_dicts
from chainrule.optim.groups import ParamGroup
from chainrule.optim.slots import Slots, State
from chainrule.tensor import Tensor

Parameters = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[dict[str, Any]]
Closure = Callable[[], Any]

HOOKS = {
    "register_step_pre_hook",
    "register_step_post_hook",
    "register_state_dict_pre_hook",
    "register_state_dict_post_hook",
    "register_load_state_dict_pre_hook",
    "register_load_state_dict_post_hook",
}


class Required:
    """Stands in `defaults` for a setting that every group must give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = Required()


def noticed(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step`, noticed by schedulers and by the trace that is going on."""

    @functools.wraps(step)
    def noticing(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        object.__setattr__(self, "_opt_called", True)
        trace = process.trace.get()
        if trace is not None:
            trace.called_optimizer = True
        return step(self, *args, **kwargs)

    return noticing


class Optimizer:
    """Base of all optimisers. See torch.optim.Optimizer.

    params: an iterable of parameters, of (name, parameter) pairs, or of dicts with `params` and settings of their own.
    defaults: the settings of a group that does not give its own.
    Raises ArgumentError if there is no parameter, or one stands in two groups, is no tensor or no leaf.
    """

    _bumps_version_ = True
    _counted_tables_ = ("state", "defaults")
    _unobserved_ = ("_opt_called",)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = noticed(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: Parameters, defaults: dict[str, Any]) -> None:
        self._opt_called = False  # PyTorch's name; schedulers ask it
        self.defaults = defaults
        self.state = State()
        self.param_groups: list[ParamGroup] = []
        for group in groups_of(params):
            self.add_param_group(group)

    def __setattr__(self, name: str, value: Any) -> None:
        process.bump_version()
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name in HOOKS:
            raise NotYetError(f"{type(self).__name__}.{name} is not there yet.")
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")

    # What an optimiser's author writes --------------------------------------------------------------------------------

    def init(self, p: Tensor, group: ParamGroup) -> dict[str, Tensor]:
        """The slots of a parameter before its first step, by name; {} if this group needs none."""
        return {}

    def update(self, p: Tensor, grad: Tensor, state: Slots, group: ParamGroup) -> None:
        """One step of one parameter: writes p and its slots in place."""
        raise NotImplementedError(f"{type(self).__name__} defines neither update nor step")

    # Steps ------------------------------------------------------------------------------------------------------------

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Lets the gradients go, or with set_to_none=False makes them zeros where there are any."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif (grad := p.grad) is not None:
                    grad.write(zeros_like(grad.read()))

    @noticed
    def step(self, closure: Closure | None = None) -> Any:
        """Updates every parameter that has a gradient. closure: computes the loss again; its result is returned."""
        loss = None
        if closure is not None:
            with process.using(process.gradients_enabled, True):
                loss = closure()
        trace = process.trace.get()
        if trace is not None and is_ours(type(self).__module__):
            trace.place = here()  # all that it records: a walk through frames for each node is a tenth of a trace
        try:
            with process.using(process.gradients_enabled, False):
                self._update_all()
        finally:
            if trace is not None:
                trace.place = None
        return loss

    def _update_all(self) -> None:
        for group in self.param_groups:
            maximize = group.get("maximize", False)
            for p in group["params"]:
                grad = p.grad
                if grad is not None:
                    self.update(p, -grad if maximize else grad, self._slots(p, group), group)

    def _slots(self, p: Tensor, group: ParamGroup) -> Slots:
        """What is remembered of p, after what this group needs and p does not have yet was added."""
        slots: Slots | None = self.state.get(p)
        if slots is not None and slots.changes == group.changes:
            return slots
        initial = self.init(p, group)
        if slots is None:
            slots = self.state[p] if initial else Slots({})
        for name, tensor in initial.items():
            if name not in slots:
                slots[name] = tensor
        slots.changes = group.changes
        return slots

    # Groups and state -------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: Any) -> None:
        """Adds parameters with settings of their own; what the dict does not give is as in `defaults`."""
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise ArgumentError(
                f"{type(self).__name__}: a parameter group is a dict with 'params', e.g. "
                f"{{'params': model.parameters(), 'lr': 0.1}}, not {type(param_group).__name__}."
            )
        group = ParamGroup(dict(param_group) | named_parameters(type(self).__name__, param_group["params"]))
        for name, default in self.defaults.items():
            if default is required and name not in group:
                raise ArgumentError(f"{type(self).__name__}: every parameter group must give {name!r}.")
            group.setdefault(name, default)
        self._check_new(group)
        process.bump_version()
        self.param_groups.append(group)

    def _check_new(self, group: ParamGroup) -> None:
        what = type(self).__name__
        identities = [id(p) for p in group["params"]]
        if len(identities) != len(set(identities)):
            warnings.warn(
                f"{what}: a parameter group holds a parameter twice, so each step will update it twice.", stacklevel=4
            )
        for number, other in enumerate(self.param_groups):
            if ("param_names" in group) != ("param_names" in other):
                raise ArgumentError(f"{what}: all parameter groups must give names, or none.")
            shared = set(identities) & {id(p) for p in other["params"]}
            if shared:
                p = next(p for p in group["params"] if id(p) in shared)
                raise ArgumentError(f"{what}: a parameter {p.read().type} is in group {number} already.")

    def state_dict(self) -> dict[str, Any]:
        """Slots and settings, in PyTorch's layout: {'state': {0: {...}, ...}, 'param_groups': [{..., 'params': [0]}]}.

        The tensors in it are the slots themselves, as in PyTorch: later steps change them.
        """
        for group in self.param_groups:
            for p in group["params"]:
                if self.state.get(p):
                    self._slots(p, group)  # a setting may have been turned on since the last step
        return state_dicts.packed(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over slots and settings, of this or of PyTorch's optimiser of the same name; values are copied.

        Raises StateDictError if it does not fit, before anything is written.
        """
        state_dicts.load(self, state_dict)

    def complete(self, slots: Slots) -> None:
        """Called for a parameter whose slots were loaded; adds what PyTorch's layout does not hold."""

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def groups_of(params: Any) -> list[dict[str, Any]]:
    """The groups that a constructor's `params` stands for."""
    if isinstance(params, Tensor) or not isinstance(params, Iterable):
        raise ArgumentError(
            f"optimiser: params must be an iterable of parameters or groups, not a {type(params).__name__}. "
            + ("Write [tensor]." if isinstance(params, Tensor) else "Did you mean model.parameters()?")
        )
    entries: list[Any] = list(params)
    if not entries:
        raise ArgumentError("optimiser: there are no parameters. Was the model's parameters() used up, or all frozen?")
    return entries if isinstance(entries[0], dict) else [{"params": entries}]


def named_parameters(what: str, params: Any) -> dict[str, Any]:
    """`params` as a list, and `param_names` if they came as pairs."""
    if isinstance(params, set):
        raise ArgumentError(f"{what}: params must have an order that is the same in every run; use a list, not a set.")
    entries: list[Any] = [params] if isinstance(params, Tensor) else list(params)
    named = [isinstance(entry, tuple) for entry in entries]
    if any(named) and not all(named):
        raise ArgumentError(f"{what}: some parameters come with a name and some without.")
    tensors = [entry[1] if isinstance(entry, tuple) else entry for entry in entries]
    for position, p in enumerate(tensors):
        if not isinstance(p, Tensor):
            raise ArgumentError(f"{what}: parameter {position} is a {type(p).__name__}, not a Tensor.")
        if not p.is_leaf:
            raise ArgumentError(
                f"{what}: parameter {position}, {p.read().type}, is computed from others and would not keep an update. "
                "Pass the tensors that it is computed from, or `x.detach().requires_grad_()`."
            )
    return {"params": tensors} | ({"param_names": [entry[0] for entry in entries]} if all(named) and entries else {})
