"""Whole stretches of a stream's words, for what is drawn in eager mode: the initial weights of a model, a large mask.

Unlike kernels of programs this one takes any length: it is compiled once and serves every shape.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

import numpy as np

from chainrule.backends.native.cache import user_cache
from chainrule.backends.native.formulas import Lanes
from chainrule.backends.native.jit import host_level, load
from chainrule.backends.native.level import Level
from chainrule.backends.native.philox import Stream, words_in_order
from chainrule.backends.native.text import Function, Reg, module_text
from chainrule.ir.types import Array

NAME = "words"
PARAMETERS = (("ptr", "to"), ("i64", "first"), ("i64", "end"), ("i64", "seed"), ("i64", "draw"))


def at_once(level: Level) -> int:
    """The words of one round of the loop; a multiple of 4."""
    return 4 * max(1, level.width // 2)


def emit_words(level: Level) -> Function:
    """NAME(to, first, end, seed, draw): words first, ..., end - 1 of a stream, in whole rounds; `first` begins one."""
    f = Function(NAME, PARAMETERS, level)
    p, count = f.parameters, at_once(level)

    def some(word: Reg, _: list[Reg]) -> None:
        place = Lanes(f, word)
        made = words_in_order(Stream(f, p["seed"], p["draw"], place, True), place, count)
        f.store(made.reg, f.pointer(p["to"], f.op("sub", word, p["first"]), "i32"))

    f.loop(p["first"], p["end"], count, some)
    f.end()
    return f


def words(seed: int, draw: int, first: int, last: int) -> Array:
    """The words of the counter blocks first, ..., last - 1: uint32, those of `ops/philox.py`."""
    count = 4 * (last - first)
    made = np.empty(-(-count // at_once(host_level())) * at_once(host_level()), np.uint32)
    _compiled()(made.ctypes.data, 4 * first, 4 * last, _signed(seed), _signed(draw))
    return made[:count]


def _signed(number: int) -> int:
    return (number + 2**63) % 2**64 - 2**63


@functools.cache
def _compiled() -> Callable[[int, int, int, int, int], None]:
    level = host_level()
    library = load(module_text([emit_words(level)], level), level, user_cache()).keep()
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_int64] * 4)
    return signature(library.address(NAME))
