"""Floor 3: what turns a graph into something that runs. A backend has

    compile(graph) -> callable from a list of arrays (the graph's inputs) to a list of arrays (its outputs)
    coverage() -> Coverage: which primitives it has rows for

and knows no other backend.
"""
