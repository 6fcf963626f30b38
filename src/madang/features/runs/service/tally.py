"""Counting runs, for Prometheus."""

from madang.features.runs.contracts import Status, Totals
from madang.kernel.telemetry import shared


def count_ended(status: Status, totals: Totals | None) -> None:
    """Count a run that has ended, and the tokens that its model calls took."""
    shared.add(f"runs:{status}")
    if totals is not None:
        shared.add("tokens:input", totals.input_tokens)
        shared.add("tokens:output", totals.output_tokens)
