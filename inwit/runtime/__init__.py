"""The runtime: graphs, the engine that runs them, checkpoints, and the record of what happens."""
