"""Durable runs: one agent turn that survives whatever dies around it."""
