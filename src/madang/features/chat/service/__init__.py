"""Use cases of chat."""
