"""The OpenAI protocol as it is asked: requests written in the dialect of the server that takes them."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from madang.features.providers.contracts import ChatRequest, Message
from madang.features.providers.service.models import Route

LIMITS: Final = ("max_tokens", "max_completion_tokens")
"""The two names of an answer's limit."""

OPTIONAL: Final = ("stream_options", "temperature", "stop", "tool_choice")
"""What an answer can do without where a server does not know it."""


def request_body(request: ChatRequest, route: Route, refused: frozenset[str] = frozenset()) -> bytes:
    """The JSON of a streaming chat completion, in the dialect of the route's server.

    `refused` are parameters that the server has said it does not take for this model: they are left out, or go by
    their other name.
    """
    body: dict[str, Any] = {
        "model": route.wire_name,
        "messages": [_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    body |= _sampling(request, route, refused)
    if request.json_schema is not None:
        schema = {"name": "answer", "schema": request.json_schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.tools:
        body["tools"] = list(request.tools)
        if request.tool_choice is not None:
            body["tool_choice"] = request.tool_choice
    for name in refused.intersection(OPTIONAL):
        body.pop(name, None)
    return msgspec.json.encode(body)


def _sampling(request: ChatRequest, route: Route, refused: frozenset[str]) -> dict[str, Any]:
    sampling: dict[str, Any] = {}
    if request.max_tokens is not None:
        names = LIMITS[::-1] if route.is_official else LIMITS
        sampling[names[names[0] in refused]] = request.max_tokens
    if route.is_official and _reasons(route.wire_name):
        return sampling
    if request.temperature is not None:
        sampling["temperature"] = request.temperature
    if request.stop:
        sampling["stop"] = list(request.stop)
    return sampling


def _reasons(wire_name: str) -> bool:
    return wire_name.startswith(("gpt-5", "o1", "o3", "o4")) and not wire_name.startswith("gpt-5-chat")


def _message(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def embedding_body(texts: Sequence[str], route: Route, kind: str) -> bytes:
    """The JSON of an embeddings request. The built-in model is told what the texts are for: E5 needs it."""
    body: dict[str, Any] = {"model": route.wire_name, "input": list(texts)}
    if route.is_built_in:
        body["kind"] = kind
    if route.is_built_in or route.is_official:
        body["encoding_format"] = "base64"
    return msgspec.json.encode(body)
