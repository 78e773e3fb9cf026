"""How a thread sleeps until a word changes, on Linux: the kernel's futex. All that is Linux's own stands here."""

from __future__ import annotations

import ctypes

_WAIT, _WAKE = 128, 129  # FUTEX_WAIT and FUTEX_WAKE, private to the process
_NUMBERS = {"x86_64": 202, "aarch64": 98}  # of the system call


def runs_on(triple: str) -> bool:
    """Whether a target is a Linux that this file knows."""
    return triple.partition("-")[0] in _NUMBERS and "-linux" in triple


def definitions(triple: str) -> str:
    """`@sleep_on(word, seen, round)` returns when someone wakes the word, or it is not `seen`, or for no reason;
    `@wake(word)` wakes all that sleep on it. The variable `@system_function` must be set to `system_function()`."""
    number = _NUMBERS[triple.partition("-")[0]]
    call = f"call i64 (i64, ...) %function(i64 {number}, ptr %word,"
    return f"""
@system_function = global ptr null
define internal void @sleep_on(ptr %word, i32 %seen, i64 %round) #0 {{
  %function = load ptr, ptr @system_function
  %result = {call} i64 {_WAIT}, i32 %seen, ptr null, ptr null, i32 0)
  ret void
}}
define internal void @wake(ptr %word) #0 {{
  %function = load ptr, ptr @system_function
  %result = {call} i64 {_WAKE}, i32 {2**31 - 1}, ptr null, ptr null, i32 0)
  ret void
}}
"""


def system_function() -> int:
    """The address of the C library's `syscall`."""
    found = ctypes.cast(ctypes.CDLL(None).syscall, ctypes.c_void_p).value
    assert found
    return found
