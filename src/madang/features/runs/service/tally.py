"""What a run took, and counting runs for Prometheus."""

from madang.features.runs.contracts import Status, Totals
from madang.features.usage.public import RunTotals
from madang.kernel.telemetry import shared


def totals_of(spent: RunTotals | None, told: Totals | None) -> Totals | None:
    """The run's totals as they are booked; what the agent `told` of its calls where none of them was metered."""
    if spent is None:
        return told
    micros = -(-spent.cost // 1000) if spent.is_priced else None
    is_estimated = spent.is_estimated or (told is not None and told.estimated)
    return Totals(spent.model, spent.input_tokens, spent.output_tokens, micros, is_estimated)


def count_ended(status: Status, totals: Totals | None) -> None:
    """Count a run that has ended, and the tokens that its model calls took."""
    shared.add(f"runs:{status}")
    if totals is not None:
        shared.add("tokens:input", totals.input_tokens)
        shared.add("tokens:output", totals.output_tokens)
