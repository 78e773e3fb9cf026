"""From the text of a module of kernels to object code, and from object code to addresses that can be called.

The two are apart so that object code can come from the disk: loading it parses no IR. No IR passes are run, since the
text is already vectorised. What is loaded is freed with its `Library`: a kernel runs only inside of a launch
(`pool.py`), so whoever launches a program holds its libraries, and no code is freed under a thread that runs it.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import sys
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import llvmlite
import llvmlite.binding as llvm

from chainrule.backends.native.cache import Cache, key_of
from chainrule.backends.native.level import Level, host_levels
from chainrule.backends.native.symbols import symbols_of

# Of 1, 2 and 3 the one that compiles fastest: the kernels it makes run as fast, and those of 0 at a third of the speed.
CODEGEN_LEVEL = 1


P = ParamSpec("P")
T = TypeVar("T")


class NativeUnavailable(Exception):
    """This machine cannot run generated code; the message says why in a line."""


def host_level() -> Level:
    """The best level of this machine."""
    levels = host_levels()
    if not levels:
        raise NativeUnavailable(f"no code generator for this processor ({llvm.get_process_triple()})")
    return levels[0]


def compile_object(text: str, level: Level) -> bytes:
    """Object code of a module. It may call its own functions, and what this file provides; nothing else, libm least."""
    machine = _machine(level)
    try:
        module = llvm.parse_assembly(text, llvm.create_context())
        module.data_layout = str(machine.target_data)
        data = bytes(machine.emit_object(module))
    except RuntimeError as error:
        raise NativeUnavailable(f"LLVM refuses the kernels: {error}") from error
    unknown = sorted(symbols_of(data).undefined - _provided().keys())
    if unknown:
        raise NativeUnavailable(f"the kernels call functions that nobody provides: {', '.join(unknown)}")
    return data


def meanwhile(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
    """Calls it on a thread of its own (LLVM needs no Python lock); what is returned waits for the result."""
    found: list[T] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(function(*args, **kwargs))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, name="chainrule-compiles")
    try:
        thread.start()
    except RuntimeError:  # the system gives no more threads
        work()

    def result() -> T:
        if thread.ident is not None:
            thread.join()
        if failed:
            raise failed[0]
        return found[0]

    return result


def load(text: str, level: Level, cache: Cache) -> Library:
    """A module's library, its object code from the cache if it is there."""
    key = object_key(text, level)
    data = cache.get(key)
    if data is None:
        data = compile_object(text, level)
        cache.put(key, data)
    return Library(data)


def object_key(text: str, level: Level) -> str:
    """What object code depends on."""
    version = ".".join(map(str, llvm.llvm_version_info))
    target = (level.triple, level.cpu, level.features, str(CODEGEN_LEVEL))
    return key_of("object", llvmlite.__version__, version, *target, text)


class Library:
    """Loaded object code."""

    def __init__(self, data: bytes) -> None:
        try:
            symbols = symbols_of(data)
            builder = llvm.JITLibraryBuilder().add_object_img(data)
            for name in symbols.undefined & _provided().keys():
                builder.import_symbol(name, _provided()[name])
            for name in symbols.defined:
                builder.export_symbol(name)
            self._code = builder.link(_engine(), f"chainrule{next(_numbers)}")
        except (ValueError, RuntimeError) as error:
            raise NativeUnavailable(f"object code could not be loaded: {error}") from error

    def address(self, name: str) -> int:
        """Where a function (or variable) that the module does not keep for itself begins."""
        found: int = self._code[name]
        return found

    def keep(self) -> Library:
        """Never frees the code: for what threads run that nobody waits for."""
        return _immortal(self)


_numbers = itertools.count()  # the engine wants another name for each library


@functools.cache
def _machine(level: Level) -> Any:
    _initialize()
    try:
        # Code, constants and variables of a library lie side by side, within the reach of the small code model.
        return llvm.Target.from_triple(level.triple).create_target_machine(
            cpu=level.cpu, features=level.features, opt=CODEGEN_LEVEL, reloc="pic", codemodel="small"
        )
    except RuntimeError as error:
        raise NativeUnavailable(f"LLVM generates no code for {level.triple}: {error}") from error


@functools.cache
def _engine() -> Any:
    level = host_level()
    machine = _machine(level)
    try:
        llvm.check_jit_execution()  # without this, LLVM ends the process where memory cannot be made executable
        # JITLink places a library's parts next to each other. It is not finished for Windows' object files.
        engine = llvm.create_lljit_compiler(machine, use_jit_link=sys.platform != "win32", suppress_errors=True)
    except (OSError, RuntimeError) as error:
        raise NativeUnavailable(f"code cannot be loaded: {error}") from error
    return _immortal(engine)  # it would take the code of all libraries with it


@functools.cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@functools.cache
def _provided() -> dict[str, int]:
    """What generated code may call: LLVM may make calls of these of plain loads and stores."""
    move, fill = _address(ctypes.memmove), _address(ctypes.memset)
    return {
        "memcpy": move,
        "memmove": move,
        "memset": fill,
        "_fltused": fill,
    }  # the last: a mark of Windows, never called


def _immortal(thing: T) -> T:
    """The same; not even the interpreter's exit deletes it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    return thing


def _address(function: Any) -> int:
    found = ctypes.cast(function, ctypes.c_void_p).value
    assert found
    return found
