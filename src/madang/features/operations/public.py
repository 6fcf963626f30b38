"""The door of operations."""

from madang.features.operations.service.health import report_alive, report_gone
from madang.features.operations.service.metrics import hand_in

__all__ = ["hand_in", "report_alive", "report_gone"]
