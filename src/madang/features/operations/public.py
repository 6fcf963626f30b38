"""The door of operations."""

from madang.features.operations.service.health import report_alive, report_gone
from madang.features.operations.service.metrics import hand_in
from madang.features.operations.settings import audit_months

__all__ = ["audit_months", "hand_in", "report_alive", "report_gone"]
