"""What exists: the graphs that were compiled and the packages that can be used, and their search."""
