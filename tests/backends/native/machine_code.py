"""Machine code of LLVM IR text as programs get it: for levels of this machine to run, for others to be looked at.

Text that was compiled before is not compiled again: types of one size share their kernels, and one kernel is run by
many tests.
"""

from __future__ import annotations

import functools
from typing import Any

import llvmlite.binding as llvm

from chainrule.backends.native.jit import CODEGEN_LEVEL, Library
from chainrule.backends.native.level import Level, host_levels, levels_of

LEVELS = host_levels()
_AVX512 = (
    *("avx512f", "avx512vl", "avx512bw", "avx512dq", "avx512cd", "avx", "avx2", "fma", "bmi", "bmi2", "f16c"),
    *("lzcnt", "popcnt", "movbe", "sse3", "ssse3", "sse4.1", "sse4.2"),
)
# Levels of other machines, to see that the text compiles for them.
OTHER_LEVELS = (
    levels_of("x86_64-unknown-linux-gnu", dict.fromkeys(_AVX512, True), "skylake-avx512")[0],
    levels_of("aarch64-unknown-linux-gnu", {}, "generic")[0],
)
_REMEMBERED = 1024


@functools.cache
def machine(level: Level) -> Any:
    """LLVM's machine for a level, with the settings that programs are compiled with."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return llvm.Target.from_triple(level.triple).create_target_machine(
        cpu=level.cpu, features=level.features, opt=CODEGEN_LEVEL, reloc="pic", codemodel="small"
    )


def object_code(text: str, level: Level) -> bytes:
    """The module's object code; raises where LLVM finds it invalid."""
    module = llvm.parse_assembly(text)
    module.verify()
    return bytes(machine(level).emit_object(module))


def assembly(text: str, level: Level) -> str:
    """The module's assembly text."""
    return str(machine(level).emit_assembly(llvm.parse_assembly(text)))


@functools.lru_cache(_REMEMBERED)
def library(text: str, level: Level) -> Library:
    """The module, loaded: its code lives as long as this. Raises where it calls what nobody provides."""
    return Library(object_code(text, level))
