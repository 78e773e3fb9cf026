"""Forward hooks: functions that a module calls before and after its forward, and that may change what passes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from chainrule.ir import state

if TYPE_CHECKING:
    from chainrule.nn.module import Module

Hooks = dict[int, tuple[Callable[..., Any], bool]]  # the hook, and whether it is given keyword arguments too

_next_key: Callable[[], int] = count().__next__


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook off again, and so does leaving a `with` block."""

    def __init__(self, hooks: Hooks, hook: Callable[..., Any], with_kwargs: bool, prepend: bool) -> None:
        self._hooks = hooks
        self.id = _next_key()
        others = list(hooks.items()) if prepend else []
        if prepend:
            hooks.clear()
        hooks[self.id] = (hook, with_kwargs)
        hooks.update(others)
        state.bump_version()

    def remove(self) -> None:
        """Takes the hook off; a second time does nothing."""
        self._hooks.pop(self.id, None)
        state.bump_version()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """module.forward(*args, **kwargs) between the module's hooks. What a hook returns replaces what it got."""
    for hook, with_kwargs in list(module._forward_pre_hooks.values()):
        changed = hook(module, args, kwargs) if with_kwargs else hook(module, args)
        if changed is None:
            continue
        if with_kwargs:
            args, kwargs = changed
        else:
            args = changed if isinstance(changed, tuple) else (changed,)
    result = module.forward(*args, **kwargs)
    for hook, with_kwargs in list(module._forward_hooks.values()):
        changed = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
        if changed is not None:
            result = changed
    return result
