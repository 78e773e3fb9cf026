"""Floor 8: training steps timed, in chainrule and in other systems.

`workloads.py` says what is timed; `steps_*.py` hold one program for each system; `worker.py` times one of them in a
process of its own; `runs.py` has the workers run in turn; `tables.py` shows what they found.
"""
