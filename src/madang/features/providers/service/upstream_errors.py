"""What a model's server says went wrong: found in any of the shapes it comes in, and what it means."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from madang.features.providers.service.json_values import is_list, is_object

type Meaning = Literal["model_not_found", "context_too_long", "content_filter", "quota", "other"]

MESSAGE_CHARACTERS: Final = 1_000
"""What is kept of a message."""

_MESSAGE_KEYS: Final = ("message", "msg", "detail", "error_msg", "errmsg", "status_msg", "error_description", "error")
_CODE_KEYS: Final = ("code", "status", "status_code", "error_code", "type")
_NOT_TAKEN = re.compile(
    r"un(?:supported|known|recogni[sz]ed|expected)|not (?:supported|permitted|allowed|recogni[sz]ed)"
    r"|extra[_ ](?:forbidden|inputs|fields)|does(?: not|n't) support|deprecated",
    re.IGNORECASE,
)
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]{0,1000}>", re.DOTALL | re.IGNORECASE)

_MEANINGS: Final[tuple[tuple[Meaning, re.Pattern[str]], ...]] = (
    (
        "context_too_long",
        re.compile(
            r"context.{0,30}(?:length|window|size|too long|exceed)|maximum context|too many (?:input |prompt )?tokens"
            r"|(?:prompt|input|request|messages?).{0,30}too (?:long|large)|exceed.{0,40}(?:context|max.{0,12}tokens)"
            r"|max_model_len|context_length_exceeded",
            re.IGNORECASE,
        ),
    ),
    (
        "content_filter",
        re.compile(r"content[_ ]?(?:filter|management|policy)|content_policy_violation|ResponsibleAI", re.IGNORECASE),
    ),
    ("quota", re.compile(r"insufficient[_ ](?:quota|balance|credit|funds)|exceeded your current quota", re.IGNORECASE)),
    (
        "model_not_found",
        re.compile(
            r"model_not_found|DeploymentNotFound|invalid_model|no such model|unknown model|model not found"
            r"|model\b.{0,200}(?:not found|does ?n[o']t exist|not exist|not supported|not available|unavailable)"
            r"|(?:not find|no|invalid) (?:the )?(?:model|deployment)\b",
            re.IGNORECASE | re.DOTALL,
        ),
    ),
)


_PASSING: Final = frozenset({200, 408, 409, 425, 429, 500, 502, 503, 504, 529})
"""200 is that of an error in a stream that gives no other."""

_BY_STATUS: Final = {
    200: "It reported an error instead of an answer; try again.",
    400: "It does not accept this request; the conversation may be too long for the model.",
    401: "Check OPENAI_API_KEY.",
    402: "Its account has no credit left.",
    403: "Its key may not use this model; choose another one.",
    404: "It does not know this address; check OPENAI_BASE_URL.",
    413: "The conversation is too long for it; begin a new one.",
    429: "It is at its limit; wait a little, or check the account's credit.",
}
_BY_MEANING: Final[dict[Meaning, tuple[str, str]]] = {
    "model_not_found": ("model_not_found", "It has no model of this name; choose another one."),
    "context_too_long": ("model_context_exceeded", "The conversation is too long for the model; begin a new one."),
    "content_filter": ("model_content_filtered", "Its content filter does not let this through; ask in other words."),
    "quota": ("model_quota_exhausted", "Its account has no credit left; check it, or choose another model."),
}


def may_pass(status: int) -> bool:
    """Whether to try again what failed with this status."""
    return status in _PASSING


def advice_for(status: int, meaning: Meaning) -> tuple[str, str]:
    """The code of a refusal and what to do about it."""
    if meaning in _BY_MEANING:
        return _BY_MEANING[meaning]
    return "model_refused", _BY_STATUS.get(status, "Check OPENAI_BASE_URL and the model.")


def unknown_parameter(said: str, sent: Iterable[str]) -> str | None:
    """Which of the parameters that were sent a server says it does not take; None when it says nothing of it."""
    if not _NOT_TAKEN.search(said):
        return None
    return next((name for name in sent if re.search(rf"(?<!\w){name}(?!\w)", said)), None)


@dataclass(frozen=True, slots=True)
class UpstreamError:
    """`message` is the server's own words, `status` an HTTP status if it gives one, `said` all of it as text."""

    message: str
    status: int | None
    said: str

    @property
    def meaning(self) -> Meaning:
        """What it is about."""
        return meaning_of(self.said)


def meaning_of(said: str) -> Meaning:
    """What a server's words are about."""
    for meaning, pattern in _MEANINGS:
        if pattern.search(said):
            return meaning
    return "other"


def error_in_event(fields: dict[str, Any], *, is_error: bool = False) -> UpstreamError | None:
    """The error in an event, with the usual wrapper, in another one or without any; None when there is none."""
    wrapped = fields.get("error") or fields.get("errors")
    if wrapped:
        return _made(wrapped, fields)
    if _is_bare(fields, is_error=is_error):
        return _made(fields, fields)
    if is_object(answer := fields.get("base_resp")):
        return None if answer.get("status_code") in (None, 0, "0") else _made(answer, answer)  # may be unhashable
    return _in_choices(fields.get("choices"))


def _is_bare(fields: dict[str, Any], *, is_error: bool) -> bool:
    """Whether the event itself is the error."""
    if is_error or fields.get("object") == "error" or fields.get("type") == "error":
        return True
    if fields.get("choices") or fields.get("usage"):
        return False
    if fields.get("detail") or fields.get("success") is False:
        return True
    says = any(isinstance(fields.get(key), str) and fields[key] for key in ("message", "msg", "error_msg"))
    return says and any(fields.get(key) for key in _CODE_KEYS)


def _in_choices(choices: object) -> UpstreamError | None:
    for choice in choices if is_list(choices) else []:
        if is_object(choice) and choice.get("error"):
            return _made(choice["error"], choice)
    return None


def read_error_body(body: str) -> UpstreamError:
    """The error in the body of a response: JSON in any shape, a page, or plain text."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        plain = " ".join(_TAGS.sub(" ", body).split())
        return UpstreamError(plain[:MESSAGE_CHARACTERS], None, body)
    first = value[0] if is_list(value) and value else value
    error = error_in_event(first, is_error=True) if is_object(first) else None
    if error is not None:
        return UpstreamError(error.message, error.status, body)
    return UpstreamError(str(value)[:MESSAGE_CHARACTERS], None, body)


def _made(error: object, around: dict[str, Any]) -> UpstreamError:
    status = _status(error) or _status(around)
    return UpstreamError(_clean(_message(error))[:MESSAGE_CHARACTERS], status, _clean(_written(error)))


def _clean(said: str) -> str:
    """Without what no log and no database takes."""
    return said.encode(errors="replace").decode().replace("\0", "")


def _message(error: object) -> str:
    if isinstance(error, str):
        return error
    if is_list(error):
        return "; ".join(filter(None, (_message(one) for one in error[:5])))
    if is_object(error):
        return next((said for key in _MESSAGE_KEYS if (said := _message(error.get(key)))), "")
    return ""


def _status(error: object) -> int | None:
    """The HTTP status that an error names, as a number or in words."""
    if not is_object(error):
        return None
    for key in _CODE_KEYS:
        written = str(error.get(key))
        if written.isascii() and written.isdigit() and len(written) == 3 and 400 <= int(written) < 600:
            return int(written)
    return None


def _written(error: object) -> str:
    return error if isinstance(error, str) else json.dumps(error, ensure_ascii=False, default=str)
