"""What a compiled function returns: new tensors, and those that the caller has already, which stay the same tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from chainrule.ir import state
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
        self._returned = {id(result) for result in results if isinstance(result, Tensor)}
        self.recipes = [self._recipe(result) for result in results]

    def _recipe(self, result: Any) -> Recipe:
        if not isinstance(result, Tensor):
            return Recipe("plain", result)
        if id(result) not in self._known:
            self._known[id(result)] = self._of_tensor(result)
        return self._known[id(result)]

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
        base, rule, tracked = thing
        with state.using(state.gradients_enabled, tracked):
            return self.result(base).view_as_rule(rule)

    def _own_leaf(self, value: int, gradient: int | None) -> Tensor:
        """A tensor that the function itself made to require a gradient."""
        tensor = Tensor(self.carriers[value]).requires_grad_(True)
        if gradient is not None:
            tensor.grad = Tensor(self.carriers[gradient])
        return tensor
