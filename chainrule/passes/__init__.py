"""Floor 2: passes, each from a graph to a graph that computes the same. They come with the native backend."""
