"""What operations do by the clock."""

from datetime import timedelta

from madang.features.operations.service.months import turn_months
from madang.kernel.jobs import Schedule

SCHEDULES = (Schedule("operations.months", timedelta(hours=1), turn_months),)
