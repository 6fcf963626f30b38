"""The repository's own linters: what no general tool checks. `python -m tools.lint` runs them all."""
