"""One analysis per intent: each is a function of a scene that returns claims with evidence."""
