"""The door of operations."""

from madang.features.operations.service import report_alive, report_gone

__all__ = ["report_alive", "report_gone"]
