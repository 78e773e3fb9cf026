"""Where a node or an error comes from: the user's line and the path of the layer."""

from __future__ import annotations

import sys
import warnings
from types import CodeType, FrameType
from typing import NamedTuple

from chainrule.ir import state

PACKAGE = "chainrule"


def is_ours(module_name: str) -> bool:
    """Whether a module belongs to the package (so its frames are not the user's)."""
    return module_name == PACKAGE or module_name.startswith(PACKAGE + ".")


class Origin(NamedTuple):
    """A place in the user's program; turned into text only when it is shown."""

    code: CodeType | None
    instruction: int
    layers: state.Layers

    @property
    def line(self) -> int:
        """The line number of the instruction, 0 if unknown."""
        if self.code is None:
            return 0
        positions = list(self.code.co_positions())
        index = self.instruction // 2
        return (positions[index][0] if 0 <= index < len(positions) else None) or self.code.co_firstlineno

    def __str__(self) -> str:
        place = f"{self.code.co_filename}:{self.line}" if self.code is not None else "an unknown line"
        path = layer_path(self.layers)
        return f"{place}, layer {path}" if path else place


class _Known(dict[str, bool]):
    """`is_ours` of the names asked so far: every node asks of some ten frames."""

    def __missing__(self, name: str) -> bool:
        self[name] = found = is_ours(name)
        return found


_IS_OURS = _Known()


def user_frame(inner: int = 0) -> FrameType | None:
    """The innermost frame outside the package, `inner` frames around whoever calls left out."""
    frame: FrameType | None = sys._getframe(1 + inner)
    while frame is not None and _IS_OURS[frame.f_globals.get("__name__", "")]:
        frame = frame.f_back
    return frame


def here(inner: int = 0) -> Origin | None:
    """The origin of what the user's program is doing now; the caller knows `inner` frames around itself as ours."""
    frame = user_frame(1 + inner)
    layers = state.layers.get()
    if frame is None:
        return Origin(None, 0, layers) if layers else None
    return Origin(frame.f_code, frame.f_lasti, layers)


def warn(message: str) -> None:
    """A UserWarning that points to the user's line."""
    frame = user_frame()
    place = (frame.f_code.co_filename, frame.f_lineno) if frame is not None else (PACKAGE, 0)
    warnings.warn_explicit(message, UserWarning, *place)


def layer_path(layers: state.Layers) -> str:
    """The dotted path of the innermost of nested layer calls; "" outside every layer, or in the outermost."""
    names: list[str] = []
    while layers is not None:
        outer, layer = layers[0], layers[1]()
        around = outer[1]() if outer is not None else None
        if layer is not None and around is not None:
            names.append(layer.name_within(around))
        layers = outer
    return ".".join(reversed([name for name in names if name]))
