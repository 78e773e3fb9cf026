"""Breaks passes and native kernels on purpose, one at a time, and asks whether a named test notices.

    python -m tools.mutate_native [word ...]

With words, only mutations in whose description one of them occurs. Each is a change of a line in a copy of the project,
on which the tests that should notice are run, with an empty cache of compiled code. Prints a line per mutation with the
first test that failed; exits with 1 and lists the survivors if there are any. Lines that have changed are listed first,
and no tests are run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SECONDS = 300  # for the tests of one mutation: a broken kernel may never end
NO_TESTS = (4, 5)  # how pytest ends when it finds none by these names
PASSES, NATIVE = "chainrule/passes", "chainrule/backends/native"
OF_PASSES, OF_NATIVE = "tests/passes", "tests/backends/native"
LOWERING, FUZZ = f"{OF_PASSES}/test_lowering.py", f"{OF_NATIVE}/test_fuzz.py"
REGISTRY, PROGRAMS = f"{OF_NATIVE}/test_registry.py", f"{OF_NATIVE}/test_programs.py"
CONTRACTION, LAYOUT = f"{OF_NATIVE}/test_contraction.py", f"{OF_PASSES}/test_layout.py"
SHARES, BLOCKED = f"{OF_NATIVE}/test_shares.py", f"{OF_NATIVE}/test_blocked_attention.py"
GATE, GATES = f"{OF_NATIVE}/test_gate.py", "tests/compiler/test_gates.py"
BLOCKS = f"{BLOCKED}::test_any_layout_in_any_number_of_parts"


class Mutation(NamedTuple):
    """A change of a file, and the tests that should notice it."""

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]  # arguments of pytest


# fmt: off
MUTATIONS = (
    # Canonical form
    Mutation("the product of nothing is 0", f"{PASSES}/canonical.py", '"prod": 1', '"prod": 0',
             (f"{OF_PASSES}/test_canonical.py",)),
    Mutation("axes keep their numbers when others go", f"{PASSES}/canonical.py", "enumerate(kept) if axis in axes",
             "enumerate(kept) if k in axes", (f"{OF_PASSES}/test_canonical.py",)),
    Mutation("an output that is an input is not copied", f"{PASSES}/canonical.py",
             "_own(node) if node in seen or", "_own(node) if", (f"{OF_PASSES}/test_canonical.py",)),
    Mutation("operands are not exchanged in a turned product", f"{PASSES}/orient.py",
             "MATMUL(transposed(new(b)), transposed(new(a)))", "MATMUL(transposed(new(a)), transposed(new(b)))",
             (f"{OF_PASSES}/test_orient.py",)),
    # Views
    Mutation("strides stay where axes are permuted", f"{PASSES}/refine.py",
             "tuple([self.strides[k] for k in axes])", "self.strides", (f"{OF_PASSES}/test_views.py",)),
    Mutation("a flipped view begins one too late", f"{PASSES}/refine.py", "(self.shape[k] - 1) * self.strides[k]",
             "self.shape[k] * self.strides[k]", (f"{OF_PASSES}/test_views.py",)),
    Mutation("what is repeated is read on", f"{PASSES}/refine.py", "stride if n == after else 0", "stride",
             (f"{OF_PASSES}/test_views.py",)),
    Mutation("a slice begins at 0", f"{PASSES}/refine.py", "View(shape, strides, self.offset + first)",
             "View(shape, strides, self.offset)", (f"{OF_PASSES}/test_views.py",)),
    Mutation("the indexed axis is walked too", f"{PASSES}/views.py", "0 if k == axis else stride for k, stride",
             "stride for k, stride", (f"{OF_PASSES}/test_views.py",)),
    Mutation("whatever repeats somewhere is a row's", f"{PASSES}/views.py", "all(stride == 0 or n == 1",
             "any(stride == 0 or n == 1", (f"{OF_PASSES}/test_views.py",)),
    # Fusion and descriptions
    Mutation("a node joins a kernel before its operands are there", f"{PASSES}/fuse.py",
             "return all([need is group or need.order < group.order for need in self._needs(node)])", "return True",
             (LOWERING,)),
    Mutation("strides of probabilities are not looked at", f"{PASSES}/fuse.py",
             "state = 1 if node.primitive.name in RANDOM", "state = 9 if node.primitive.name in RANDOM", (LOWERING,)),
    Mutation("nothing is cheap", f"{PASSES}/fuse.py", "CHEAP = frozenset(_CHEAP.split())", "CHEAP = frozenset()",
             (f"{OF_PASSES}/test_fuse.py",)),
    Mutation("elementwise nodes join no product", f"{PASSES}/fuse.py",
             'JOINABLE = frozenset({"rows", "columns", "product"})', 'JOINABLE = frozenset({"rows", "columns"})',
             (f"{OF_PASSES}/test_fuse.py", f"{OF_NATIVE}/test_structure.py")),
    Mutation("an epilogue's bias is dropped", f"{PASSES}/describe.py", 'if name == "alias" or',
             'if name == "alias" or (name == "add" and self.group.kind == "product") or', (LOWERING, REGISTRY)),
    Mutation("a load forgets its offset", f"{PASSES}/describe.py", "_load(at, strides, view.offset, source.dtype",
             "_load(at, strides, 0, source.dtype", (LOWERING,)),
    Mutation("rows and columns of a product's operand are exchanged", f"{PASSES}/describe.py",
             "view.strides[-2], view.strides[-1], view.offset)", "view.strides[-1], view.strides[-2], view.offset)",
             (LOWERING,)),
    Mutation("the draw's number is its seed", f"{PASSES}/describe.py", "view.offset + k * view.strides[0]",
             "view.offset", (LOWERING, PROGRAMS)),
    Mutation("0.0 and -0.0 are one kernel", f"{PASSES}/kernels.py",
             "text: str = field(init=False, repr=False)  # equal",
             "text: str = field(init=False, repr=False, compare=False)  # equal", (LOWERING,)),
    # Layout
    Mutation("all pieces that are stored in a concatenation lie first", f"{PASSES}/layout.py", "        start = stop\n",
             "        start = 0\n", (LAYOUT,)),
    Mutation("places stay where axes are permuted", f"{PASSES}/layout.py",
             'place = place.permuted(tuple([params["axes"].index(k) for k in range(len(source.shape))]))', "pass",
             (LAYOUT,)),
    Mutation("places are permuted forwards", f"{PASSES}/layout.py", 'params["axes"].index(k) for k in',
             'params["axes"][k] for k in', (LAYOUT,)),
    Mutation("nobody waits for the other pieces of what he adds one to", f"{PASSES}/describe.py",
             "both = writes & {self.operand(source) for source in self.reads}", "both = frozenset()", (LAYOUT,)),
    # Schedule and memory
    Mutation("a reader runs in its writer's phase", f"{PASSES}/schedule.py", "when[-1] + 1)", "when[-1])",
             (f"{OF_PASSES}/test_schedule.py",)),
    Mutation("who writes a buffer last is the last to write it", f"{PASSES}/schedule.py",
             "max(ready.get(buffer, 0), when[-1] + 1)", "when[-1] + 1", (f"{OF_PASSES}/test_schedule.py",)),
    Mutation("small calls are all the first thread's", f"{PASSES}/schedule.py", "k if k // 2 % 2 == 0 else k ^ 1", "0",
             (f"{OF_PASSES}/test_schedule.py",)),
    Mutation("a buffer lives in its last phase alone", f"{PASSES}/memory.py", "(found.get(buffer, (k, k))[0], k)",
             "(k, k)", (f"{OF_PASSES}/test_memory.py",)),
    Mutation("more is freed than was taken", f"{PASSES}/memory.py",
             "free.give(offsets[buffer], _rounded(sizes[buffer]))",
             "free.give(offsets[buffer], 2 * _rounded(sizes[buffer]))", (f"{OF_PASSES}/test_memory.py",)),
    Mutation("sizes are rounded down", f"{PASSES}/memory.py", "-(-size // ALIGNMENT) * ALIGNMENT",
             "size // ALIGNMENT * ALIGNMENT", (f"{OF_PASSES}/test_memory.py",)),
    Mutation("buffers lie 64 bytes too low in the arena", f"{NATIVE}/drawing.py", "offsets=tuple(offsets.items())",
             "offsets=tuple((k, max(0, at - 64)) for k, at in offsets.items())", (FUZZ,)),
    Mutation("an input is replaced while others read it", f"{PASSES}/in_place.py", "all(k < written for k in others)",
             "True", (LOWERING,)),
    Mutation("inputs are replaced before indices are checked", f"{PASSES}/in_place.py", "written > safe_after", "True",
             (PROGRAMS,)),
    # The program
    Mutation("there is no barrier", f"{NATIVE}/runner.py",
             "found.append((walk.CHECKED_BARRIER if k == plan.checked + 1 else walk.BARRIER, 0, 0, 0))", "pass",
             (f"{OF_NATIVE}/test_structure.py",)),
    Mutation("the error word is not looked at", f"{NATIVE}/runner.py", "return not self._failed.value", "return True",
             (PROGRAMS, REGISTRY)),
    Mutation("a share has one unit too few", f"{NATIVE}/body.py", "return ends[0], ends[1]",
             'return ends[0], f.value(f"sub i64 {ends[1].name}, 1", "i64")', (REGISTRY,)),
    # Rows and columns
    Mutation("a maximum starts from 0", f"{NATIVE}/folds.py",
             'return float("-inf") if operation == "max" else float("inf")',
             'return 0.0 if operation == "max" else float("inf")', (REGISTRY,)),
    Mutation("what is beyond the end is added up too", f"{NATIVE}/folds.py", "if count >= self.lanes:\n", "if True:\n",
             (f"{OF_NATIVE}/test_rows.py", REGISTRY)),
    Mutation("a row's last element is forgotten", f"{NATIVE}/rows.py", "min(self.body.lanes, self.length - start)",
             "max(1, min(self.body.lanes, self.length - start - 1))", (REGISTRY,)),
    Mutation("the last column is forgotten", f"{NATIVE}/columns.py", "min(self.lanes, rest - start)",
             "max(1, min(self.lanes, rest - start - 1))", (f"{OF_NATIVE}/test_columns.py", REGISTRY)),
    Mutation("blocks of lanes change places the wrong way round", f"{NATIVE}/tiles.py",
             "rows[i], rows[i + distance] = f.shuffle(a, b, upper), f.shuffle(a, b, lower)",
             "rows[i], rows[i + distance] = f.shuffle(a, b, lower), f.shuffle(a, b, upper)", (REGISTRY,)),
    Mutation("an index may be the length", f"{NATIVE}/body.py", '"icmp uge"', '"icmp ugt"', (REGISTRY,)),
    # Products
    Mutation("sums of a product start from 1", f"{NATIVE}/gemm_tile.py", "sums = [f.const(0, type)]",
             "sums = [f.const(1, type)]", (CONTRACTION, REGISTRY)),
    Mutation("a product forgets the last k", f"{NATIVE}/gemm_tile.py", "steps(whole, shape.kc - whole, sums)",
             "steps(whole, max(0, shape.kc - whole - 1), sums)", (CONTRACTION, REGISTRY)),
    Mutation("an epilogue reads the tile's first columns", f"{NATIVE}/product_epilogue.py",
             "body.element(inner, fragment.count, body.invariant())",
             "body.element(tile.column, fragment.count, body.invariant())",
             (f"{OF_NATIVE}/test_product_epilogue.py", CONTRACTION, REGISTRY)),
    Mutation("an epilogue's places are not turned with its product", f"{NATIVE}/contraction.py",
             "return (*strides[:-2], strides[-1], strides[-2])", "return strides",
             (CONTRACTION, REGISTRY)),
    Mutation("a share forgets the batch that it ends in", f"{NATIVE}/gemm_driver.py",
             "last = f.divmod(f.add(end, units - 1), units)[0]", "last = f.divmod(end, units)[0]", (CONTRACTION,)),
    Mutation("a share begins where its first batch does", f"{NATIVE}/gemm_driver.py",
             'low = largest(f, f.op("sub", first, f.index(before)), 0)', "low = 0", (SHARES,)),
    Mutation("tiles ask for the same lines of the next panel", f"{NATIVE}/gemm_tile.py",
             "rows, UNROLL - rows, tuple", "rows, 0, tuple", (f"{OF_NATIVE}/test_gemm_tile.py",)),
    Mutation("no tile asks for the next bands of A", f"{NATIVE}/gemm_driver.py",
             "(place, f.index(a.column)), otherwise)", "otherwise, otherwise)", (f"{OF_NATIVE}/test_gemm_tile.py",)),
    Mutation("tiles are chosen for one thread", f"{NATIVE}/gemm_blocking.py",
             "cycles *= 2 * ceil_div(units, 2) / max(units, 1)", "cycles *= 1", (SHARES,)),
    # Attention in blocks
    Mutation("attention in blocks sees what comes later", f"{NATIVE}/attention_forward.py",
             'f.intrinsic("smin", integers, last) if self.causal else last', "last", (BLOCKS,)),
    Mutation("sums of blocks are added as if their maxima were one", f"{NATIVE}/attention_forward.py",
             'factors = [power_of_two(f, f.op("fsub", a, b)) for a, b in zip(before, largest, strict=True)]',
             "factors = [f.const(1, a.type) for a in before]", (BLOCKS,)),
    Mutation("gradients of scores forget the row's sum", f"{NATIVE}/attention_backward.py",
             'f.op("fmul", power, f.op("fsub", f.load(there, power.type), within))',
             'f.op("fmul", power, f.load(there, power.type))', (BLOCKS,)),
    Mutation("the gradient of k is not scaled", f"{NATIVE}/attention_backward.py",
             'lambda x, _: f.op("fmul", x, scale)', "lambda x, _: x", (BLOCKS,)),
    Mutation("blocks of q on the diagonal are skipped", f"{NATIVE}/attention_backward.py",
             "first = f.mul(f.divmod(at, code.m)[0], code.m)",
             "first = f.mul(f.add(f.divmod(at, code.m)[0], 1), code.m)", (BLOCKS,)),
    Mutation("the gradient of q is that of the last block alone", f"{NATIVE}/attention_backward.py",
             "f.fma(x, f.const(LN2, x.type), f.load(place, x.type))",
             'f.op("fmul", x, f.const(LN2, x.type))', (BLOCKS,)),
    Mutation("a head's last block of k is in nobody's range", f"{NATIVE}/attention_blocks.py", "found = {0, source}",
             "found = {0, max(1, source - block)}", (f"{BLOCKED}::test_values_and_gradients_of_a_program",)),
    Mutation("tiles on the diagonal of scores are left out", f"{NATIVE}/block_products.py",
             "return f.add(f.mul(whole, height), start), stop",
             "return f.add(f.mul(f.add(whole, 1), height), start), stop", (BLOCKS,)),
    Mutation("terms end before the diagonal", f"{NATIVE}/block_products.py",
             "return 0, f.add(f.add(row, height), limit)", "return 0, f.add(row, limit)", (BLOCKS,)),
    Mutation("terms begin behind the diagonal", f"{NATIVE}/block_products.py",
             'return f.op("sub", f.index(row), limit), product.k',
             'return f.op("sub", f.index(f.add(row, 2 * height)), limit), product.k', (BLOCKS,)),
    Mutation("terms of what a query does not see are added", f"{NATIVE}/block_products.py",
             "return 0, limit", "return 0, product.k", (f"{BLOCKED}::test_what_is_hidden_is_left_out_within_blocks",)),
    Mutation("terms of queries that do not see a key are added", f"{NATIVE}/block_products.py",
             'return f.op("sub", f.index(row), limit), product.k', "return 0, product.k",
             (f"{BLOCKED}::test_what_is_hidden_is_left_out_within_blocks",)),
    Mutation("slopes of scores that were not made are whatever stood there", f"{NATIVE}/attention_backward.py",
             "power, slope = (f.select(kept, x, zero) for x in (power, slope))",
             "power = f.select(kept, power, zero)", (BLOCKED,)),
    Mutation("the gradients of k and v lie where those of q do", f"{NATIVE}/attention_forward.py",
             "f.add(within, k * heads)", "f.add(within, 0)",
             (f"{BLOCKED}::test_results_with_the_heads_of_a_position_together",)),
    Mutation("heads are not merged where they are made", f"{NATIVE}/attention_blocks.py",
             "merged = _has_heads_within(v)", "merged = False",
             (f"{BLOCKED}::test_heads_are_merged_and_their_gradients_laid_side_by_side_where_they_are_made",)),
    # Threads
    Mutation("one trial moves a program to one thread", f"{NATIVE}/choice.py",
             "self._away.samples >= _TRIALS and", "", (f"{OF_NATIVE}/test_choice.py",)),
    # Gates
    Mutation("a gate does not look at strides", f"{NATIVE}/gate_looks.py",
             "%same_stride = icmp eq i64 %stride, %wanted_stride", "%same_stride = icmp eq i64 %stride, %stride",
             (GATE,)),
    Mutation("a gate lets any value of a dict pass", f"{NATIVE}/gate_looks.py",
             "%value_fits = or i1 %same_value, %any_value", "%value_fits = or i1 1, %any_value", (GATE,)),
    Mutation("a gate keeps what a function returned", f"{NATIVE}/gate_looks.py",
             "  call void %release(ptr %scope)\n", "", (GATE,)),
    Mutation("a gate forgets what was raised", f"{NATIVE}/gate_code.py", "%is_raised = icmp ne ptr %raised, null",
             "%is_raised = icmp ne ptr null, null", (GATE,)),
    Mutation("a gate takes a tensor on the tape", f"{NATIVE}/gate_looks.py",
             "%free = and i1 %no_gradient, %no_token", "%free = and i1 1, %no_token", (GATE,)),
    Mutation("a gate writes no number", f"{NATIVE}/gate_looks.py", "  store double %number, ptr %target\n", "",
             (GATE, GATES)),
    Mutation("a gate does not count uses of cells", "chainrule/gates.py",
             '(code.ELEMENTS, id(state.PLACES["cell_uses"]), 1, id(uses)),', "", (GATES,)),
    Mutation("a gate does not see another number of threads", "chainrule/gates.py",
             '(code.ELEMENTS, id(state.PLACES["threads"]), 1, id(threads)),', "", (GATES,)),
    # Elements, draws, and what has kernels of its own
    Mutation("sub adds", f"{NATIVE}/elementwise.py", '"sub": _plain(lambda a, b: a - b)',
             '"sub": _plain(lambda a, b: a + b)', (f"{OF_NATIVE}/test_elementwise.py",)),
    Mutation("small values of ndtr are what is left of 1", f"{NATIVE}/float_math.py",
             "where(x < 0.0, tail, 1.0 - tail)", "where(x < 0.0, 1.0 - (1.0 - tail), 1.0 - tail)",
             (f"{OF_NATIVE}/test_vector_math.py",)),
    Mutation("ndtr is that of |x|", f"{NATIVE}/float_math.py", "where(x < 0.0, tail, 1.0 - tail)", "1.0 - tail",
             (f"{OF_NATIVE}/test_vector_math.py",)),
    Mutation("a uniform number has one bit less", f"{NATIVE}/philox.py",
             '    return (_words(stream) >> 8).converted("sitofp", "float") * 2.0**-24',
             '    return (_words(stream) >> 9).converted("sitofp", "float") * 2.0**-23', (REGISTRY,)),
    Mutation("a looked-up index may be the length", f"{NATIVE}/points.py", '"icmp ult", index, length',
             '"icmp ule", index, length', (REGISTRY,)),
    Mutation("what is added at indices is put there", f"{NATIVE}/scatter.py",
             "combine = _sum(f, source.dtype) if accumulate else None", "combine = None", (REGISTRY,)),
    Mutation("the largest never come first", f"{NATIVE}/sorting.py", 'descending=params["descending"]',
             "descending=False", (REGISTRY,)),
    Mutation("running sums never start at the end", f"{NATIVE}/scans.py", 'if params.get("reverse"):', "if False:",
             (REGISTRY,)),
    Mutation("all parts of a concatenation lie first", f"{NATIVE}/assemble.py", "start * strides[axis]",
             "0 * strides[axis]", (REGISTRY,)),
)
# fmt: on


def stale(mutations: Sequence[Mutation]) -> list[str]:
    """Those whose line does not stand in its file exactly once: the file has changed, and so must they."""
    return [f"{m.what}: {m.file}: {m.old}" for m in mutations if (ROOT / m.file).read_text("utf-8").count(m.old) != 1]


def noticed_by(mutation: Mutation, copy: Path) -> str | None:
    """The first test that fails, or how the tests ended; None if they pass."""
    path = copy / mutation.file
    right = path.read_text(encoding="utf-8")
    path.write_text(right.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        return failure_of(mutation.tests, copy)
    finally:
        path.write_text(right, encoding="utf-8")


def failure_of(tests: tuple[str, ...], copy: Path) -> str | None:
    """The first test that fails in the copy, with nothing compiled before."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", *tests]
        environment = {**os.environ, "XDG_CACHE_HOME": cache, "LOCALAPPDATA": cache, "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            run = subprocess.run(
                command, cwd=copy, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return "(the tests did not end)"
    assert run.returncode not in NO_TESTS, f"there are no such tests: {tests}"
    if run.returncode == 0:
        return None
    found = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", run.stdout, re.MULTILINE)
    return found[1] if found else f"(pytest ended with {run.returncode})"


def main(words: list[str]) -> int:
    chosen = [m for m in MUTATIONS if not words or any(word in m.what for word in words)]
    if moved := stale(chosen):
        print("Not once in their files:", *moved, sep="\n")
        return 1
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        for name in ("chainrule", "tests", "tools"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        for mutation in chosen:
            noticed = noticed_by(mutation, copy)
            print(f"{mutation.what:58} {noticed or 'SURVIVED'}", flush=True)
            if noticed is None:
                survivors.append(f"{mutation.what}: {mutation.file}")
    print(f"{len(chosen)} broken passes and kernels, {len(survivors)} not noticed")
    print(*survivors, sep="\n", end="\n" if survivors else "")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
