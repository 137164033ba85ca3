"""Questions about the documentation of the Python that this runs in, answered with citations."""
