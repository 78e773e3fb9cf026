"""A program before it has memory: which kernels run on which buffers, when, and where the buffers lie.

It is plain data and can stand on the disk, together with the machine code of its kernels. A program that was made
before, by this process or another, is then not fused, scheduled and written again.
"""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass
from pathlib import Path

from chainrule.backends.native.cache import key_of
from chainrule.backends.native.level import Level
from chainrule.ir.graph import Graph

# What of the package decides what becomes of a graph.
_SOURCES = ("ir", "ops", "passes", "backends/native")
_LENGTH = 8  # bytes of the number before the text


class NotCompiledError(Exception):
    """A graph has primitives for which there is no machine code."""


@dataclass(frozen=True)
class Blueprint:
    """A scheduled program."""

    kernels: tuple[str, ...]  # the names of their functions
    # Of each phase, its turns: (kernel, owner, buffers...)
    phases: tuple[tuple[tuple[int, ...], ...], ...]
    buffers: int  # how many; the first ones are the program's inputs
    outputs: tuple[int, ...]  # their buffers
    in_place: tuple[int, ...]  # which outputs may have the memory of the inputs that they replace
    checked: int  # behind this phase, stop if an index was out of range; -1: nothing can be
    offsets: tuple[tuple[int, int], ...]  # (buffer, where it begins in the arena)
    arena_bytes: int
    scratch_bytes: int  # of each thread

    def packed(self, code: bytes) -> bytes:
        """The blueprint and the machine code, as `unpacked` reads them."""
        text = json.dumps(vars(self)).encode()
        return len(text).to_bytes(_LENGTH, "little") + text + code


def unpacked(data: bytes) -> tuple[Blueprint, bytes]:
    """What `packed` was given."""
    length = int.from_bytes(data[:_LENGTH], "little")
    told = json.loads(data[_LENGTH : _LENGTH + length])
    phases = tuple([tuple([tuple(turn) for turn in phase]) for phase in told.pop("phases")])
    offsets = tuple([(buffer, offset) for buffer, offset in told.pop("offsets")])
    told |= {name: tuple(told[name]) for name in ("kernels", "outputs", "in_place")}
    blueprint = Blueprint(phases=phases, offsets=offsets, **told)
    return blueprint, data[_LENGTH + length :]


def key_of_program(graph: Graph, level: Level, code_settings: str) -> str:
    """What a blueprint and its machine code depend on; `code_settings` says how machine code is made."""
    return key_of("program", *sources(), level.name, code_settings, graph.key())


@functools.cache
def sources() -> tuple[str, ...]:
    """Names, sizes and times of the files that programs are made by: of an edited package no old program is used."""
    root = Path(__file__).parents[2]
    found = []
    for folder in _SOURCES:
        with os.scandir(root / folder) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    about = entry.stat()
                    found.append(f"{folder}/{entry.name} {about.st_size} {about.st_mtime_ns}")
    return tuple(sorted(found))
