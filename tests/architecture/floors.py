"""Finds what breaks the order of the floors: imports that go up or sideways, imports in functions, overlong files.

A place is what has a floor of its own: a folder of the package (one of `backends` at a time), or all its top-level
modules together. A module may import its own place and every lower floor. On one floor, only the alias modules may
import a neighbour.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PACKAGE = "chainrule"
FLOORS = {
    "ir": 0,
    "ops": 1,
    "passes": 2,
    "autodiff": 2,
    "backends": 3,  # what the three share; they may import it, it may not import them
    "backends.reference": 3,
    "backends.native": 3,
    "backends.xla": 3,
    "top level": 4,
    "nn": 5,
    "optim": 5,
    "data": 5,
    "utils": 5,
    "autograd": 5,
    "distributions": 5,
    "charts": 5,  # numbers in, SVG out; of the package it uses nothing
    "train": 6,
    "package": 6.5,  # chainrule/__init__.py: gathers what a user gets, up to train
    "diagnose": 7,
    "sklearn": 7,  # estimators over fit
    "runs": 7.5,  # a run from its source to its folder; the command line calls it
    "dashboard": 8,
    "report": 8,  # reads run folders only
    "bench": 8,  # programs as users write them, over the whole package; only the command line starts them
    "cli": 9,
}
ALIASES = {"utils", "autograd", "distributions"}
MAX_LINES = 500


@dataclass(frozen=True)
class Import:
    """One imported module and where the statement stands."""

    target: str
    line: int
    function: str | None  # the innermost function around it


def floor_violations(modules: Mapping[str, str]) -> list[str]:
    """What breaks the order in a package given as {module name: source}; `name.__init__` is a package's own file."""
    names = {parent for name in modules for parent in with_parents(name.removesuffix(".__init__"))}
    found = []
    for name, source in sorted(modules.items()):
        if place_of(name, names) not in FLOORS:
            found.append(f"{name}: '{place_of(name, names)}' has no floor; give it one in tests/architecture/floors.py")
            continue
        for imported in imports_of(name, ast.parse(source), names):
            problem = problem_of(name, imported, names)
            if problem:
                found.append(f"{name}:{imported.line}: {problem}")
    return found


def problem_of(name: str, imported: Import, names: set[str]) -> str | None:
    top = imported.target.partition(".")[0]
    if imported.function and not may_stand_in_function(name, imported, top):
        return f"imports {imported.target} inside {imported.function}(); only heavy or optional third parties may"
    if top != PACKAGE:
        return None
    source, target = place_of(name, names), place_of(imported.target, names)
    if target not in FLOORS or allowed(source, target):
        return None  # a place without a floor is reported where it stands
    direction = "up" if FLOORS[target] > FLOORS[source] else "sideways"
    return f"imports {direction}: {source} (floor {FLOORS[source]}) -> {imported.target} (floor {FLOORS[target]})"


def may_stand_in_function(name: str, imported: Import, top: str) -> bool:
    if top == PACKAGE:
        # A package loads a heavy part of itself when asked for it.
        return name.endswith(".__init__") and imported.function == "__getattr__"
    return top not in sys.stdlib_module_names


def allowed(source: str, target: str) -> bool:
    if source == target or FLOORS[target] < FLOORS[source]:
        return True
    if FLOORS[target] == FLOORS[source]:
        return source in ALIASES or source.startswith(f"{target}.")
    return False


def place_of(module: str, names: set[str]) -> str:
    parts = module.removesuffix(".__init__").split(".")[1:]
    if not parts:
        return "package"
    if parts == ["__main__"]:
        return "cli"  # `python -m chainrule` is the command line
    if parts[0] == "backends" and len(parts) > 1:
        folder = f"backends.{parts[1]}"
        return folder if folder in FLOORS or is_folder(folder, names) else "backends"
    if parts[0] == "functions" or (parts[0] not in FLOORS and not is_folder(parts[0], names)):
        return "top level"
    return parts[0]


def with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def is_folder(path: str, names: set[str]) -> bool:
    return any(name.startswith(f"{PACKAGE}.{path}.") for name in names)


def imports_of(name: str, tree: ast.Module, names: set[str]) -> Iterator[Import]:
    """Every import of a module, in functions and under TYPE_CHECKING too; `from a import b` is a.b if that is one."""
    for node, function in walk_with_function(tree, None):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, function)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(name, node.module, node.level)
            targets = [f"{base}.{alias.name}" for alias in node.names]
            for target in sorted({target if target in names else base for target in targets}):
                yield Import(target, node.lineno, function)
        elif isinstance(node, ast.Call) and called_name(node.func) in {"import_module", "__import__"}:
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                dots = len(first.value) - len(first.value.lstrip("."))
                yield Import(absolute(name, first.value[dots:], dots), node.lineno, function)


def walk_with_function(node: ast.AST, function: str | None) -> Iterator[tuple[ast.AST, str | None]]:
    for child in ast.iter_child_nodes(node):
        yield child, function
        inside = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from walk_with_function(child, inside)


def called_name(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def absolute(importer: str, module: str | None, level: int) -> str:
    if level == 0:
        return module or ""
    base = importer.split(".")[:-level]  # "a.b.__init__" and "a.b.c" both stand in the package a.b
    return ".".join([*base, *([module] if module else [])])


def length_violations(files: Mapping[str, str]) -> list[str]:
    """The files over MAX_LINES lines whose first docstring or comment line does not say "Long because ..."."""
    found = []
    for path, source in sorted(files.items()):
        lines = len(source.splitlines())
        if lines > MAX_LINES and not re.search(r"\bLong because \w+", opening_line(source)):
            found.append(f'{path}: {lines} lines, over {MAX_LINES}; split it, or open it with "Long because ..."')
    return found


def opening_line(source: str) -> str:
    """The first line of the module's docstring, or else the file's first line if that is a comment."""
    docstring = ast.get_docstring(ast.parse(source))
    if docstring:
        return docstring.splitlines()[0]
    first = source.lstrip().partition("\n")[0]
    return first if first.startswith("#") else ""
