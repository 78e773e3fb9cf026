"""Floor 2: reverse mode, over the tape of eager values and over the graph of a trace alike."""
