"""What a compiled function returns: new tensors, and those that the caller has already, which stay the same tensors.

They may stand in tuples, lists, dicts, named tuples and dataclasses. Other objects are returned as they are, so they
must not hold tensors that the trace made.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from chainrule.checks import MISSING, slots_of
from chainrule.ir import state
from chainrule.ir.errors import LeakedTensorError
from chainrule.ir.tree import Structure, flatten, unflatten
from chainrule.ir.value import Leaf, Node, Value
from chainrule.tensor import Tensor


class Recipe(NamedTuple):
    """How one result is made: its kind, and what that needs."""

    kind: str
    thing: Any = None


class Recipes:
    """How each result of a trace is made from the program's outputs and from what the caller holds."""

    def __init__(
        self, results: list[Any], positions: dict[int, int], leaf_of: dict[int, Any], output: Callable[[Node], int]
    ) -> None:
        self._positions = positions  # of arguments, by the id of what stood for them
        self._gradients = leaf_of  # whose `.grad` a tensor is at the end, by its id
        self._output = output
        self._known: dict[int, Recipe] = {}
        self._returned = {id(tensor) for tensor in tensors_in(results)}
        self.recipes = [self._recipe(result) for result in results]

    def _recipe(self, result: Any) -> Recipe:
        if not isinstance(result, Tensor):
            return self._of_object(result)
        if id(result) not in self._known:
            self._known[id(result)] = self._of_tensor(result)
        return self._known[id(result)]

    def _of_object(self, thing: Any) -> Recipe:
        if not is_dataclass_instance(thing):
            refuse_traced_attributes(thing)
            return Recipe("plain", thing)
        if not any(tensor._carrier.__class__ is Node for tensor in tensors_in([thing])):
            return Recipe("plain", thing)  # the very object: it may be the caller's
        values, structure = flatten(attributes_of(thing))
        return Recipe("object", (type(thing), structure, [self._recipe(value) for value in values]))

    def _of_tensor(self, tensor: Tensor) -> Recipe:
        there = self._shared(tensor)
        if there is not None:
            return there
        node: Node = tensor.read()
        if node.weak:
            return Recipe("number", self._output(node))
        leaf = tensor._leaf
        if leaf is not None and node.needs_grad:
            gradient = None if leaf.gradient is None else self._output(leaf.gradient.read())
            return Recipe("leaf", (self._output(node), gradient))
        return Recipe("value", self._output(node))

    def _shared(self, tensor: Tensor) -> Recipe | None:
        """The recipe of a tensor that the caller has, or of a view of one that it has or gets; None for others."""
        if tensor._carrier.__class__ is Value:
            return None if tensor.is_scalar_cell else Recipe("captured", tensor)
        if id(tensor) in self._positions:
            return Recipe("argument", self._positions[id(tensor)])
        if id(tensor) in self._gradients:
            return Recipe("gradient", self._gradients[id(tensor)])
        view = tensor._view
        if view is None or tensor._leaf is not None:
            return None
        base = self._recipe(view.base) if id(view.base) in self._returned else self._shared(view.base)
        return None if base is None else Recipe("view", (base, view.rule, view.tracked))


class Delivery:
    """The results of one call."""

    def __init__(self, carriers: list[Value], leaves: list[Any], leaf: Callable[[Any], Leaf]) -> None:
        self.carriers = carriers
        self.leaves = leaves
        self.leaf = leaf
        self.made: dict[int, Any] = {}

    def result(self, recipe: Recipe) -> Any:
        """What a recipe gives in this call; the same tensor each time."""
        if recipe.kind == "plain":
            return recipe.thing
        if id(recipe) not in self.made:
            self.made[id(recipe)] = self._make(*recipe)
        return self.made[id(recipe)]

    def _make(self, kind: str, thing: Any) -> Any:
        if kind == "value":
            return Tensor(self.carriers[thing])
        if kind == "number":
            return self.carriers[thing].array.item()
        if kind == "captured":
            return thing
        if kind == "argument":
            return self.leaves[thing]
        if kind == "gradient":
            return self.leaf(thing).gradient
        if kind == "leaf":
            return self._own_leaf(*thing)
        if kind == "object":
            return self._object(*thing)
        base, rule, tracked = thing
        with state.using(state.gradients_enabled, tracked):
            return self.result(base).view_as_rule(rule)

    def _object(self, kind: type, structure: Structure, recipes: list[Recipe]) -> Any:
        """A dataclass as the trace left it, without running its constructor again; frozen ones too."""
        made: Any = object.__new__(kind)
        for name, value in unflatten(structure, [self.result(recipe) for recipe in recipes]).items():
            object.__setattr__(made, name, value)
        return made

    def _own_leaf(self, value: int, gradient: int | None) -> Tensor:
        """A tensor that the function itself made to require a gradient."""
        tensor = Tensor(self.carriers[value]).requires_grad_(True)
        if gradient is not None:
            tensor.grad = Tensor(self.carriers[gradient])
        return tensor


# Objects with attributes ----------------------------------------------------------------------------------------------


def is_dataclass_instance(thing: Any) -> bool:
    """Whether it is an instance of a dataclass, and not the class."""
    return dataclasses.is_dataclass(thing) and not isinstance(thing, type)


def attributes_of(thing: Any) -> dict[str, Any]:
    """What an object keeps under names, in its `__dict__` or in slots."""
    found = {name: value for name, value in slots_of(thing).items() if value is not MISSING}
    return found | getattr(thing, "__dict__", {})


def tensors_in(results: list[Any]) -> Iterator[Tensor]:
    """The tensors among results, and in the dataclasses among them."""
    for result in results:
        if isinstance(result, Tensor):
            yield result
        elif is_dataclass_instance(result):
            yield from tensors_in(flatten(attributes_of(result))[0])


def refuse_traced_attributes(thing: Any) -> None:
    """Raises LeakedTensorError if an object of the user's holds a tensor that the trace made."""
    is_collection = isinstance(thing, set | frozenset | deque)
    held: Any = [("", thing)] if is_collection else [(f" in .{name}", at) for name, at in attributes_of(thing).items()]
    kind = type(thing).__name__
    for place, value in held:
        for part in parts_of(value):
            if isinstance(part, Tensor) and part._carrier.__class__ is Node:
                raise LeakedTensorError(
                    f"the compiled function returns a {kind} that holds a tensor{place}. It can return tensors and "
                    "plain values, and tuples, lists, dicts, named tuples and dataclasses of them. Return "
                    f"{'a list' if is_collection else 'the tensor'}, and make the {kind} of it outside"
                    f"{'.' if is_collection else f'; or make {kind} a dataclass.'}",
                    part._carrier.origin,
                )


def parts_of(value: Any) -> Iterable[Any]:
    """The elements of a collection; anything else by itself. One level: what is the user's may hold itself."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple | set | frozenset | deque) else (value,)
