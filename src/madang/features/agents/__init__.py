"""Agents: what answers a turn, and how it is run."""
