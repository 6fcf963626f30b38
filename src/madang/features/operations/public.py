"""The door of operations."""

from madang.features.operations.service import report_alive

__all__ = ["report_alive"]
