"""What chat does when a run ends."""

from madang.features.chat.service import take_answer
from madang.features.runs.public import RunEnded
from madang.kernel.db import Tx
from madang.kernel.events import Reaction
from madang.kernel.house import House


async def on_run_ended(_house: House, tx: Tx, event: RunEnded) -> None:
    """Store the answer as a message."""
    await take_answer(tx, event)


ANSWER = Reaction(RunEnded, on_run_ended)
