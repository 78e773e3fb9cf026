"""Floor 0: types, values, nodes, graphs, primitives, process state, errors. Imports nothing of the package above it."""
