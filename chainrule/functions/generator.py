"""The Generator: a source of random numbers whose state is a cell, so that a compiled step reads and advances it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.functions.device import CPU, check_device, device
from chainrule.functions.sizes import integer
from chainrule.functions.table import FUNCTIONS, as_handle
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError
from chainrule.ir.types import int64
from chainrule.ir.value import Carrier, Value
from chainrule.ops import random
from chainrule.tensor import Buffer, Tensor, constant

FIRST_SEED = 67280421310721  # a new Generator's, as in PyTorch


class Generator:
    """A source of random numbers: a seed and the number of draws so far, which `state` holds as int64[2]."""

    __slots__ = ("__weakref__", "_lock", "state")

    def __init__(self, device: Any = "cpu") -> None:
        check_device(device)
        self.state = Buffer(Tensor(Value(_state_array(FIRST_SEED))))
        self._lock = threading.Lock()

    @property
    def device(self) -> device:
        """The CPU."""
        return CPU

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream of a seed, an int of 64 bits (negative ones count from 2^64 down)."""
        number = integer("manual_seed", seed, "the seed")
        if not -(2**63) <= number < 2**64:
            raise ArgumentError(f"manual_seed: the seed must lie in -2^63 to 2^64 - 1, it is {number}.")
        self._set(_state_array(number))
        return self

    def seed(self) -> int:
        """Starts the stream of a seed from the system's randomness, and returns that seed."""
        number = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(number)
        return number

    def initial_seed(self) -> int:
        """The seed of the stream."""
        return int(self.state.read_outside().array[0]) % 2**64

    def get_state(self) -> Tensor:
        """A copy of the state, int64[2]: the bits of the seed, the number of draws."""
        return self.state.clone()  # type: ignore[no-any-return]

    def set_state(self, new_state: Tensor) -> Generator:
        """Continues where `get_state` was called."""
        carrier = as_handle("set_state", new_state).read()
        if carrier.shape != (2,) or carrier.dtype is not int64:
            raise ArgumentError(f"set_state: what `get_state` returned is needed, i64[2], not {carrier.type}.")
        self.state.write(carrier)
        return self

    def _set(self, array: np.ndarray[Any, Any]) -> None:
        self.state.write(constant(array))

    def draw(self, operation: Callable[[Carrier], Carrier]) -> Carrier:
        """What the operation makes of the state; the state then moves on by one draw."""
        with self._lock:  # two threads must not take the same draw
            before = self.state.read()
            result = operation(before)
            self.state.write(random.next_state(before))
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.state.read_outside().array,)


def _restored(array: np.ndarray[Any, Any]) -> Generator:
    generator = Generator()
    generator._set(array)
    return generator


def _state_array(seed: int) -> np.ndarray[Any, Any]:
    return np.array([seed % 2**64, 0], np.uint64).view(np.int64)


default_generator = Generator()  # where `state.generator` names no other
default_generator.seed()


def current(generator: Generator | None = None) -> Generator:
    """The generator given, or the one in use."""
    found: Generator = generator or state.generator.get() or default_generator
    return found


# The generator in use -------------------------------------------------------------------------------------------------


def manual_seed(seed: int) -> Generator:
    """Starts the stream of a seed in the generator in use."""
    return current().manual_seed(seed)


def seed() -> int:
    """Starts a stream from the system's randomness, and returns its seed."""
    return current().seed()


def initial_seed() -> int:
    """The seed of the generator in use."""
    return current().initial_seed()


def get_rng_state() -> Tensor:
    """The state of the generator in use."""
    return current().get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Sets the state of the generator in use."""
    current().set_state(new_state)


for function in (manual_seed, seed, initial_seed, get_rng_state, set_rng_state):
    FUNCTIONS[function.__name__] = function
FUNCTIONS["Generator"] = Generator
