"""Use cases of providers."""
