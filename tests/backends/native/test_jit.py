import ctypes
import gc
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from chainrule.backends.native import jit
from chainrule.backends.native.cache import Cache
from chainrule.backends.native.jit import Library, NativeUnavailable, compile_object, load, object_key
from chainrule.backends.native.level import Level, host_levels
from chainrule.backends.native.symbols import symbols_of
from chainrule.backends.native.text import Function, module_text

ROOT = Path(__file__).parents[3]
levels = pytest.mark.parametrize("level", host_levels(), ids=lambda level: level.name)


def twice(level: Level, name: str = "twice") -> str:
    """A module of a function that calls an internal one."""
    inner = Function("inner", [("i64", "x")], level, result="i64", internal=True)
    inner.end(inner.op("add", inner.parameters["x"], inner.parameters["x"]))
    f = Function(name, [("i64", "x")], level, result="i64")
    f.end(f.call("inner", f.parameters["x"], result="i64", declared=True))
    return module_text([inner, f], level)


def call(library: Library, name: str, value: int) -> int:
    found: int = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(library.address(name))(value)
    return found


@levels
def test_text_becomes_code_that_can_be_called(level: Level) -> None:
    assert call(Library(compile_object(twice(level), level)), "twice", 21) == 42


@levels
def test_code_is_the_same_bytes_each_time(level: Level) -> None:
    assert compile_object(twice(level), level) == compile_object(twice(level), level)


def test_loading_parses_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    data = compile_object(twice(host_levels()[0]), host_levels()[0])
    monkeypatch.setattr(llvm, "parse_assembly", None)
    assert call(Library(data), "twice", 4) == 8


def test_libraries_may_have_equal_names() -> None:
    level = host_levels()[0]
    data = compile_object(twice(level), level)
    first, second = Library(data), Library(data)
    assert first.address("twice") != second.address("twice")
    del first
    gc.collect()
    assert call(second, "twice", 3) == 6


def test_internal_functions_have_no_address() -> None:
    level = host_levels()[0]
    with pytest.raises(KeyError):
        Library(compile_object(twice(level), level)).address("inner")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_code_is_freed_with_its_library() -> None:
    level = host_levels()[0]
    kept_too = "@bulk = global [131072 x i8] zeroinitializer\n"  # so that one that stays is not overlooked
    data = compile_object(twice(level) + "\n" + kept_too, level)
    Library(data)

    def pages() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    before = pages()
    for _ in range(200):
        Library(data)
    assert pages() - before < 200 * 32 // 4  # 32 pages each; what LLVM keeps of a library is a page or two
    kept = Library(data).keep()
    address = kept.address("twice")
    del kept
    gc.collect()
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)(5) == 10


@levels
def test_code_that_calls_a_stranger_is_refused_by_name(level: Level) -> None:
    f = Function("f", [("float", "x")], level, result="float")
    y = f.call("expf", f.parameters["x"], result="float")
    f.end(f.op("frem", y, f.parameters["x"]))  # LLVM makes a call of fmodf of it
    with pytest.raises(NativeUnavailable, match="nobody provides: expf, fmodf"):
        compile_object(module_text([f], level), level)


@levels
def test_code_may_copy_and_fill_memory(level: Level) -> None:
    f = Function("f", [("ptr", "to"), ("ptr", "from"), ("i64", "count")], level)
    to, from_, count = f.parameters["to"], f.parameters["from"], f.parameters["count"]
    for name in ("memcpy", "memmove"):
        f.call(name, to, from_, count, result="ptr")
    f.call("memset", to, f.const(ord("-"), "i32"), f.const(2, "i64"), result="ptr")
    f.end()
    data = compile_object(module_text([f], level), level)
    assert symbols_of(data).undefined == {"memcpy", "memmove", "memset"}
    to_buffer = ctypes.create_string_buffer(8)
    library = Library(data)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(library.address("f"))
    function(to_buffer, ctypes.create_string_buffer(b"abcdef"), 5)
    assert to_buffer.raw == b"--cde\0\0\0"


@levels
def test_constants_and_variables_are_within_reach(level: Level) -> None:
    text = f"""target triple = "{level.triple}"
    @count = global i64 7, align 64
    @numbers = internal constant [3 x i64] [i64 10, i64 20, i64 30]
    define i64 @f(i64 %k) {{
      %place = getelementptr i64, ptr @numbers, i64 %k
      %number = load i64, ptr %place
      %count = load i64, ptr @count
      %sum = add i64 %number, %count
      store i64 %sum, ptr @count
      ret i64 %sum
    }}"""
    libraries = [Library(compile_object(text, level)) for _ in range(20)]  # at many places
    for library in libraries:
        assert [call(library, "f", k) for k in (0, 1, 2)] == [17, 37, 67]
        assert ctypes.c_int64.from_address(library.address("count")).value == 67


@pytest.mark.parametrize("data", [b"", b"\x7fELF\x02\x01", b"no object file", b"\x7fELF\x02\x01" + bytes(100)])
def test_what_is_no_object_file_is_refused(data: bytes) -> None:
    with pytest.raises(NativeUnavailable, match="could not be loaded"):
        Library(data)


def test_symbols_are_read_from_the_files_of_all_systems() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    text = """declare double @a_function_with_a_long_name(double)
    define internal double @inner(double %x) noinline {
      %y = call double @a_function_with_a_long_name(double %x)
      ret double %y
    }
    define double @outer(double %x) {
      %y = call double @inner(double %x)
      ret double %y
    }
    @variable = global i64 0
    """
    for system in ("unknown-linux-gnu", "apple-darwin", "pc-windows-msvc"):
        for processor in ("x86_64", "aarch64"):
            machine = llvm.Target.from_triple(f"{processor}-{system}").create_target_machine()
            module = llvm.parse_assembly(text, llvm.create_context())
            module.triple, module.data_layout = f"{processor}-{system}", str(machine.target_data)
            found = symbols_of(bytes(machine.emit_object(module)))
            assert found.defined == {"outer", "variable"}
            assert found.undefined - {"_fltused"} == {"a_function_with_a_long_name"}


# With the cache


def test_code_from_the_cache_is_not_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    level = host_levels()[0]
    assert call(load(twice(level), level, Cache(tmp_path)), "twice", 2) == 4
    monkeypatch.setattr(jit, "compile_object", None)
    assert call(load(twice(level), level, Cache(tmp_path)), "twice", 2) == 4


def test_keys_tell_text_and_level_apart() -> None:
    texts, all_levels = [twice(host_levels()[0]), twice(host_levels()[0], "other")], host_levels()
    assert len({object_key(text, level) for text in texts for level in all_levels}) == 2 * len(all_levels)


# Machines that cannot


def test_an_unknown_processor_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "host_levels", lambda: ())
    with pytest.raises(NativeUnavailable, match="no code generator for this processor"):
        jit.host_level()


def test_an_unknown_target_is_told() -> None:
    level = Level("none", 4, 16, False, "z80-unknown-none", "generic", "")
    with pytest.raises(NativeUnavailable, match="z80"):
        compile_object("", level)


@pytest.mark.skipif(sys.platform != "linux", reason="forbids it as Linux can")
def test_memory_that_must_not_run_is_told() -> None:
    text = """
import ctypes, sys
from chainrule.backends.native.jit import Library, NativeUnavailable, compile_object, host_level
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE: no memory that was writable may run
    print("told: executable")  # this kernel does not know it
    sys.exit()
level = host_level()
data = compile_object('target triple = "%s"\\ndefine i64 @f() { ret i64 1 }' % level.triple, level)
try:
    Library(data)
except NativeUnavailable as error:
    print("told:", error)
"""
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "executable" in done.stdout
