"""Floor 7.5: a run whole, from its source to its folder; what the command line calls."""
