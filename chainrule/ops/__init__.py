"""Floor 1: the primitives. An op's file tells its whole story (type rule, reference, VJP, expansion) and no backend.

Families build on one another in this order: creation, movement, elementwise, reduction, special, contraction,
einsum, indexing, ordering, random; normalise, losses and attention expand into the others. A rule that needs a later
family goes through the methods of `ir.operators`.
"""
