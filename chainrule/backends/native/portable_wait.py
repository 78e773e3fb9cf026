"""How a thread sleeps until a word changes, where there is no futex: it looks again and again, after longer and longer
sleeps, with what the platform's C library has for a short one. Nobody has to be woken."""

from __future__ import annotations

import ctypes
import sys

_FIRST_MICROSECONDS, _DOUBLINGS = 50, 5  # to 1.6 ms: what a launch after a pause may wait


def definitions() -> str:
    """`@sleep_on(word, seen, round)` and `@wake(word)` as in `futex.py`.
    The variable `@system_function` must be set to `system_function()`."""
    unit = 1000 if sys.platform == "win32" else 1
    return f"""
@system_function = global ptr null
define internal void @sleep_on(ptr %word, i32 %seen, i64 %round) #0 {{
  %doublings = call i64 @llvm.umin.i64(i64 %round, i64 {_DOUBLINGS})
  %microseconds = shl i64 {_FIRST_MICROSECONDS}, %doublings
  %units = udiv i64 %microseconds, {unit}
  %some = call i64 @llvm.umax.i64(i64 %units, i64 1)
  %amount = trunc i64 %some to i32
  %function = load ptr, ptr @system_function
  call void %function(i32 %amount)
  ret void
}}
define internal void @wake(ptr %word) #0 {{
  ret void
}}
"""


def system_function() -> int:
    """The address of a function that sleeps for a 32-bit number of microseconds (on Windows, milliseconds)."""
    if sys.platform == "win32":
        function = ctypes.windll.kernel32.Sleep
    else:
        function = ctypes.CDLL(None).usleep
    found = ctypes.cast(function, ctypes.c_void_p).value
    assert found
    return found
