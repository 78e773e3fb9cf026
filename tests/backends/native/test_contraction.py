"""Matrix products of the native backend: values, layouts, edges, shares, and that bits follow from shapes alone."""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict

import numpy as np
import pytest

from chainrule.backends.native.contraction import emit_product, oriented, transposed
from chainrule.backends.native.gemm_epilogue import Fragment, RowMajor, Tile, operand
from chainrule.backends.native.level import Level, host_levels
from chainrule.backends.native.text import Function, Reg, module_text
from chainrule.ir.types import Array, DType, dtype_of, float32, float64
from chainrule.passes.kernels import Matrix, Product
from tests.backends.native.machine_code import OTHER_LEVELS, assembly, object_code
from tests.backends.native.products import Compiled, aligned, compiled, packed_strides, product_of

BEST = host_levels()[0]  # has all combinations; the others, that one code generator writes for, some
LEVELS = pytest.mark.parametrize("level", host_levels(), ids=lambda level: level.name)
SIZES = [0, 1, 1, 2, 3, 5, 6, 7, 8, 9, 12, 13, 16, 17, 24, 31, 33, 40, 64, 65, 97, 130]


def numbers(rng: np.random.Generator, count: int, dtype: DType) -> Array:
    """Normal floats, or all the integers of a type."""
    if dtype.is_floating_point:
        return rng.standard_normal(count).astype(dtype.numpy)
    return rng.integers(0, 256, count * dtype.itemsize, np.uint8).view(dtype.numpy)


@dataclasses.dataclass
class Placed:
    """An array somewhere in memory: what lies between its elements is NaN."""

    memory: Array
    strides: tuple[int, ...]
    offset: int
    shape: tuple[int, ...]

    @property
    def view(self) -> Array:
        """The array."""
        size = self.memory.itemsize
        return np.lib.stride_tricks.as_strided(self.memory[self.offset :], self.shape, [s * size for s in self.strides])


def placed(values: Array, layout: str, *, repeated: bool = False) -> Placed:
    """`values` [*batch, rows, columns] in memory: N row-major, T transposed, G with gaps, S with both strides wide.

    With `repeated`, one matrix for the whole batch.
    """
    *batch, rows, columns = values.shape
    row, column, size = {
        "N": (columns, 1, rows * columns),
        "T": (1, rows, rows * columns),
        "G": (columns + 5, 1, rows * (columns + 5)),
        "H": (1, rows + 3, (rows + 3) * columns),
        "S": (3 * columns + 1, 3, rows * (3 * columns + 1)),
    }[layout]
    strides = (0,) * len(batch) if repeated else packed_strides(tuple(batch), size)
    offset = 0 if layout in "NT" else 7
    total = offset + size * (1 if repeated else int(np.prod(batch))) + 1
    memory = aligned((total,), values.dtype)
    memory[...] = np.nan if values.dtype.kind == "f" else 0x55
    found = Placed(memory, (*strides, row, column), offset, values.shape)
    found.view[...] = values
    return found


def product_on(a: Placed, b: Placed, c: Placed, dtype: DType) -> Product:
    """The product of arrays wherever they are."""
    *batch, m, k = a.shape
    plain = product_of(m, b.shape[-1], k, batch=tuple(batch), dtype=dtype)
    store = plain.stores[0]
    access = dataclasses.replace(store.access, strides=c.strides, offset=c.offset)
    return dataclasses.replace(
        plain,
        a=Matrix(0, a.strides[:-2], a.strides[-2], a.strides[-1], a.offset),
        b=Matrix(1, b.strides[:-2], b.strides[-2], b.strides[-1], b.offset),
        stores=(dataclasses.replace(store, access=access),),
    )


def run(kernel: Compiled, a: Placed, b: Placed, c: Placed, parts: int = 1) -> Array:
    """The result, computed share by share; every other element of its memory must stay as it was."""
    c.memory[...] = np.nan if c.memory.dtype.kind == "f" else 0x55
    before = c.memory.copy()
    for part in reversed(range(parts)):
        kernel.bind([a.memory, b.memory, c.memory], part, parts)()
    found = c.view.copy()
    after = dataclasses.replace(c, memory=c.memory.copy())
    after.view[...] = dataclasses.replace(c, memory=before).view
    np.testing.assert_array_equal(after.memory.view(np.uint8), before.view(np.uint8))
    return found


def close(found: Array, a: Array, b: Array) -> None:
    """Within k eps of the product in float64; integers exactly."""
    if found.dtype.kind != "f":
        np.testing.assert_array_equal(found, a @ b)
        return
    wide = np.longdouble if found.dtype == np.float64 else np.float64
    exact, scale = a.astype(wide) @ b.astype(wide), np.abs(a.astype(wide)) @ np.abs(b.astype(wide))
    bound = (a.shape[-1] + 1) * np.finfo(found.dtype).eps * scale
    assert (np.abs(found - exact) <= bound).all(), np.abs(found - exact).max()


def sample(rng: np.random.Generator) -> tuple[int, int, int, tuple[int, ...]]:
    """Sizes of a product."""
    m, n, k = (int(rng.choice(SIZES)) for _ in range(3))
    if rng.random() < 0.08:
        k = int(rng.integers(1000, 2500))
        m, n = min(m, 33), min(n, 40)
    return m, n, k, [(), (), (2,), (3, 2), (1,), (0,)][rng.integers(6)]


@pytest.mark.parametrize(
    ("level", "seed"),
    [
        pytest.param(k, seed, id=f"{seed}-{k.name}")
        for k in host_levels()
        for seed in range(0, 40, 1 if k is BEST else 2)
    ],
)
def test_any_shape_and_layout_and_share(level: Level, seed: int) -> None:
    rng = np.random.default_rng(seed)
    m, n, k, batch = sample(rng)
    dtype = float64 if seed % 5 == 0 else float32
    a = numbers(rng, int(np.prod(batch)) * m * k, dtype).reshape(*batch, m, k)
    b = numbers(rng, int(np.prod(batch)) * k * n, dtype).reshape(*batch, k, n)
    if batch and k and n and (repeated := bool(rng.random() < 0.5)):
        b[...] = b[(0,) * len(batch)] if b.size else b
    else:
        repeated = False
    layouts = [str(rng.choice(list("NTGHS"))) for _ in range(3)]
    bits: set[bytes] = set()
    for layout_a, layout_b, layout_c in [("N", "N", "N"), ("N", "T", "G"), tuple(layouts)]:
        one, two = placed(a, layout_a), placed(b, layout_b, repeated=repeated)
        three = placed(np.zeros((*batch, m, n), dtype.numpy), layout_c)
        kernel = compiled(product_on(one, two, three, dtype), level)
        for parts in (1, 2, 3, 4):
            found = run(kernel, one, two, three, parts)
            bits.add(found.tobytes())
        close(found, a, b)
    assert len(bits) == 1, (m, n, k, batch, layouts)


@LEVELS
@pytest.mark.parametrize(
    ("m", "n", "k"), [(1, 1, 1000), (1, 3, 77), (1, 4, 130), (1, 7, 65), (1, 130, 33), (130, 1, 77)]
)
def test_vectors_in_every_layout_have_the_same_bits(level: Level, m: int, n: int, k: int) -> None:
    rng = np.random.default_rng(m + n + k)
    a, b = numbers(rng, m * k, float32).reshape(m, k), numbers(rng, k * n, float32).reshape(k, n)
    bits = set()
    every = itertools.product("NTGHS", repeat=2)
    for layout_a, layout_b in every if level is BEST else zip("NTGHS", "TGHSN", strict=True):
        one, two, three = placed(a, layout_a), placed(b, layout_b), placed(np.zeros((m, n), np.float32), "G")
        found = run(compiled(oriented(product_on(one, two, three, float32)), level), one, two, three, 2)
        bits.add(found.tobytes())
    close(found, a, b)
    assert len(bits) == 1


@LEVELS
@pytest.mark.parametrize(("m", "n", "k"), [(300, 200, 70), (40, 530, 1700), (770, 50, 600), (200, 600, 1900)])
def test_large_products_are_cut_into_blocks(level: Level, m: int, n: int, k: int) -> None:
    rng = np.random.default_rng(0)
    a, b = numbers(rng, m * k, float32).reshape(m, k), numbers(rng, k * n, float32).reshape(k, n)
    bits = set()
    for layout_a, layout_b in ("NN", "NT", "TN", "TT", "GH") if level is BEST else ("NN", "TT"):
        one, two, three = placed(a, layout_a), placed(b, layout_b), placed(np.zeros((m, n), np.float32), "N")
        product = product_on(one, two, three, float32)
        for given, parts in ((product, 1), (product, 3), (transposed(product), 2)):
            bits.add(run(compiled(given, level), one, two, three, parts).tobytes())
    close(three.view, a, b)
    assert len(bits) == 1


@LEVELS
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_integers_wrap_around(level: Level, dtype: str) -> None:
    rng = np.random.default_rng(1)
    for m, n, k in ((1, 9, 40), (7, 1, 33), (13, 37, 20), (30, 5, 70)):
        a = numbers(rng, m * k, dtype_of(dtype)).reshape(m, k)
        b = numbers(rng, k * n, dtype_of(dtype)).reshape(k, n)
        for layout_a, layout_b in ("NN", "NT", "TS") if level is BEST else ("TS",):
            one, two, three = placed(a, layout_a), placed(b, layout_b), placed(np.zeros((m, n), a.dtype), "G")
            close(run(compiled(product_on(one, two, three, dtype_of(dtype)), level), one, two, three), a, b)


@LEVELS
def test_a_repeated_row_or_column_is_read_in_place(level: Level) -> None:
    rng = np.random.default_rng(2)
    values = numbers(rng, 40, float32)
    for a_strides, b_strides in (((0, 1), (1, 0)), ((1, 0), (0, 1)), ((0, 0), (0, 0))):
        a, b = Placed(values, a_strides, 0, (20, 40 if a_strides[1] else 30)), Placed(values, b_strides, 0, (0, 0))
        k = a.shape[1]
        b.shape = (k, 18)
        c = placed(np.zeros((20, 18), np.float32), "N")
        close(run(compiled(product_on(a, b, c, float32), level), a, b, c, 2), a.view, b.view)


class BiasAndCount:
    """Adds a bias per column (operand 3), loaded once per tile and column vector, and a step per row and batch."""

    def __init__(self, plain: RowMajor) -> None:
        self.plain = plain
        self.bias: dict[str, Reg] = {}
        self.held: dict[tuple[Tile, int], Reg] = {}
        self.loads: defaultdict[str, int] = defaultdict(int)

    def prepare(self, f: Function) -> None:
        assert f.name not in self.bias, "once per function"
        self.bias[f.name] = operand(f, 3, 0, "float")
        self.plain.prepare(f)

    def prefetch(self, f: Function, tile: Tile) -> None:
        self.plain.prefetch(f, tile)

    def store(self, f: Function, fragment: Fragment) -> None:
        tile, j = fragment.tile, fragment.j
        if (tile, j) not in self.held:
            place = f.pointer(self.bias[f.name], f.add(tile.column, j), "float")
            self.held[tile, j] = f.load_first(place, fragment.value.type, fragment.count)
        assert 0 < fragment.count <= f.level.width
        value = f.op("fadd", fragment.value, self.held[tile, j])
        row = f.add(f.add(f.add(tile.row, fragment.i), f.mul(tile.batch[0], 1000)), f.mul(tile.batch[1], 10000))
        step = f.convert("sitofp", f.index(row), "float")
        self.plain.store(f, dataclasses.replace(fragment, value=f.op("fadd", value, f.splat(step, f.level.width))))


@LEVELS
@pytest.mark.parametrize(("m", "n", "k"), [(13, 37, 20), (1, 37, 20), (1, 3, 20), (5, 9, 2000), (6, 16, 0)])
def test_an_epilogue_sees_each_result_once_with_its_place(level: Level, m: int, n: int, k: int) -> None:
    rng = np.random.default_rng(3)
    a, b = numbers(rng, 6 * m * k, float32).reshape(2, 3, m, k), numbers(rng, 6 * k * n, float32).reshape(2, 3, k, n)
    bias = aligned((n,), np.dtype(np.float32))
    bias[...] = numbers(rng, n, float32)
    one, two, three = placed(a, "N"), placed(b, "T"), placed(np.zeros((2, 3, m, n), np.float32), "G")
    product = product_on(one, two, three, float32)
    plain = run(compiled(product, level), one, two, three)
    epilogue = BiasAndCount(RowMajor(product.stores[0].access, "float"))
    kernel = compiled(product, level, epilogue)
    rows = np.arange(m)[:, None] + 1000 * np.arange(2)[:, None, None, None] + 10000 * np.arange(3)[:, None, None]
    for parts in (1, 4):
        three.memory[...] = np.nan
        for part in range(parts):
            kernel.bind([one.memory, two.memory, three.memory, bias], part, parts)()
        np.testing.assert_array_equal(three.view, (plain + bias) + rows.astype(np.float32))


def test_special_values_stay_where_they_are() -> None:
    level = host_levels()[0]
    for m, n, k in ((20, 40, 30), (1, 40, 30), (1, 3, 30)):
        a, b = np.ones((m, k), np.float32), np.ones((k, n), np.float32)
        a[m // 2, 3], b[5, n // 2] = np.inf, np.nan
        one, two, three = placed(a, "N"), placed(b, "T"), placed(np.zeros((m, n), np.float32), "N")
        found = run(compiled(product_on(one, two, three, float32), level), one, two, three)
        expected = np.full((m, n), k, np.float32)
        expected[m // 2], expected[:, n // 2] = np.inf, np.nan
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("level", OTHER_LEVELS, ids=lambda level: level.name)
@pytest.mark.parametrize(
    ("m", "n", "k", "layout"), [(128, 100, 70, "NT"), (70, 90, 2000, "TN"), (1, 90, 70, "NT"), (1, 90, 70, "NN")]
)
def test_other_processors_get_object_code(level: Level, m: int, n: int, k: int, layout: str) -> None:
    functions, _ = emit_product("product", product_of(m, n, k, layout), level)
    assert len(object_code(module_text(functions, level), level)) > 500


@LEVELS
@pytest.mark.parametrize(
    ("m", "n", "k", "layout"), [(64, 64, 200, "NN"), (64, 65, 200, "NT"), (200, 7, 64, "TN"), (3, 200, 64, "NN")]
)
def test_no_vector_leaves_the_registers(level: Level, m: int, n: int, k: int, layout: str) -> None:
    functions, _ = emit_product("product", product_of(m, n, k, layout), level)
    code = assembly(module_text(functions, level), level)
    stack = ("(%rsp)", "(%rbp)") if "%rsp, %rbp" in code else ("(%rsp)",)
    for loop in inner_loops(code):
        if any("mul" in line or "fma" in line for line in loop):
            assert not [line for line in loop if "mm" in line and any(place in line for place in stack)]


def inner_loops(assembly: str) -> list[list[str]]:
    """The lines of each loop without a loop in it."""
    lines, places, found = assembly.splitlines(), {}, []
    for at, line in enumerate(lines):
        words = line.split()
        if line.endswith(":"):
            places[line[:-1]] = at
        elif words and words[0].startswith("j") and words[-1] in places:
            loop = lines[places[words[-1]] : at]
            if not any(one.endswith(":") for one in loop[1:]):
                found.append(loop)
    return found
