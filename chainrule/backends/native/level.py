"""What the code generators know of a processor: how wide its vectors are, how many it has, what it can do.

A level is chosen once per process. Kernels are generated from its numbers, never from the name of a processor.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import llvmlite.binding as llvm

# What a level may use of the features that the host has; other levels are these with fewer.
_AVX512 = ("avx512f", "avx512vl", "avx512bw", "avx512dq", "avx512cd")
_AVX2 = ("avx", "avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "popcnt", "movbe", "sse3", "ssse3", "sse4.1", "sse4.2")


@dataclass(frozen=True)
class Level:
    """A set of features, and the sizes that follow from it."""

    name: str  # avx512, avx2, sse2, neon
    width: int  # float32 lanes of a vector register
    registers: int  # vector registers
    fma: bool  # multiply and add with one rounding, in one instruction
    triple: str
    cpu: str  # LLVM's name
    features: str  # LLVM's list, "+avx2,+fma,..."

    @property
    def attributes(self) -> str:
        """The attribute group of every function."""
        bits = self.width * 32
        return (
            f'nounwind "target-cpu"="{self.cpu}" "target-features"="{self.features}" '
            f'"prefer-vector-width"="{bits}" "min-legal-vector-width"="{bits}"'
        )


def _x86(name: str, width: int, registers: int, wanted: tuple[str, ...], triple: str, cpu: str) -> Level:
    features = ",".join(f"+{feature}" for feature in wanted)
    return Level(name, width, registers, "fma" in wanted, triple, cpu, features)


def levels_of(triple: str, host: dict[str, bool], cpu: str) -> tuple[Level, ...]:
    """The levels that a processor offers, the best first. `host` says of each of LLVM's features if it is there."""
    if triple.startswith(("x86_64", "amd64")):
        found = []
        if all(host.get(name) for name in (*_AVX512, "avx2", "fma")):
            found.append(_x86("avx512", 16, 32, (*_AVX512, *_AVX2), triple, cpu))
        if host.get("avx2") and host.get("fma"):
            found.append(_x86("avx2", 8, 16, tuple(f for f in _AVX2 if host.get(f)), triple, "x86-64-v3"))
        return (*found, _x86("sse2", 4, 16, ("sse2",), triple, "x86-64"))
    if triple.startswith(("aarch64", "arm64")):
        return (Level("neon", 4, 32, True, triple, "generic", "+neon"),)
    return ()


@functools.cache
def host_levels() -> tuple[Level, ...]:
    """The levels that this machine can run, the best first; none on a processor that is not known."""
    try:
        host = dict(llvm.get_host_cpu_features())
    except RuntimeError:  # LLVM does not know this processor: what all of its family can do is left
        host = {}
    return levels_of(llvm.get_process_triple(), host, llvm.get_host_cpu_name())
