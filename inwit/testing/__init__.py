"""What helps to test what others build on inwit."""

from inwit.testing.checkpointers import Check, NonconformingError, checkpointer_suite

__all__ = ["Check", "NonconformingError", "checkpointer_suite"]
