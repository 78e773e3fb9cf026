"""The reference backend: runs each primitive's own NumPy meaning, one after another. What the others are held to."""

from chainrule.backends.reference.execute import compile, coverage

__all__ = ["compile", "coverage"]
