"""How an answer ended, to its readers, in its row and in its message; and reasoning that shows itself late."""

import json

import pytest

from madang.features.chat.service.answers import answer_of
from madang.features.runs.routes import _body
from madang.features.runs.service import desk
from tests.features.providers.conftest import Configure
from tests.features.providers.server_families import DONE, chunk, said, sse
from tests.features.runs.conftest import Asked
from tests.features.usage.conftest import Ledger
from tests.standin import Standin


def latin(raw: str) -> str:
    return raw.encode().decode("latin-1")


async def ended(asked: Asked) -> tuple[dict[str, object], dict[str, object]]:
    """The data of the run's last event, and the columns of its message."""
    await asked.perform()
    last = (await asked.read())[-1]
    async with asked.house.db.transaction() as tx:
        result = (await desk.results(tx, [asked.run_id]))[asked.run_id]
    return json.loads(last.data), answer_of(result)


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
async def test_how_an_answer_ended_is_told_and_kept(asked: Asked, upstream: Standin, reason: str) -> None:
    upstream.script = {"tokens": "3", "finish": reason}
    told, message = await ended(asked)
    assert told["finish_reason"] == reason
    assert (message["status"], message["text"], message["finish_reason"]) == ("complete", "tok0 tok1 tok2 ", reason)
    assert _body(await asked.run(), shows_upstream=False).finish_reason == reason


async def test_an_answer_that_was_cut_off_while_it_reasoned_is_no_silent_model(asked: Asked, upstream: Standin) -> None:
    upstream.script = {"raw": latin(sse(chunk({"reasoning_content": "음"}), chunk(finish="length"), DONE))}
    told, message = await ended(asked)
    assert told["finish_reason"] == "length"
    assert (message["status"], message["text"]) == ("complete", "")


async def test_what_a_budget_cut_off_is_told_apart_from_the_models_limit(
    asked: Asked, upstream: Standin, ledger: Ledger
) -> None:
    await ledger.budget("account", asked.who.account_id, 1000, unit="tokens")
    upstream.script = {"tokens": "10", "finish": "length", "usage": "0"}
    told, message = await ended(asked)
    assert (told["finish_reason"], message["finish_reason"]) == ("budget", "budget")


async def test_reasoning_that_shows_itself_late_is_taken_back_and_told_as_reasoning(
    asked: Asked, upstream: Standin
) -> None:
    events = [
        said("음… "),
        said("2+2는 4"),
        "data: ping\n\n",
        said("\n</think>\n\n답은 "),
        said("4."),
        chunk(finish="stop"),
    ]
    upstream.script = {"raw": latin(sse(*events, DONE)), "split": "150"}
    _, message = await ended(asked)
    assert message["text"] == "답은 4."
    text, reasoning = "", ""
    for event in await asked.read():
        data = json.loads(event.data)
        if event.type == b"message.restarted":
            text = reasoning = ""
        text += data["text"] if event.type == b"message.delta" else ""
        reasoning += data["text"] if event.type == b"reasoning.delta" else ""
    assert (text, reasoning) == ("답은 4.", "음… 2+2는 4\n")


async def test_what_a_server_said_of_a_failure_is_kept_for_supervisors_alone(
    asked: Asked, upstream: Standin, configure: Configure
) -> None:
    configure(model_retries=0)
    upstream.script = {"status": "400"}
    told, message = await ended(asked)
    assert told["code"] == "model_refused"
    assert "no … here" not in f"{told}{message}"
    run = await asked.run()
    assert _body(run, shows_upstream=True).error.upstream == "no … here"
    assert _body(run, shows_upstream=False).error.upstream is None
