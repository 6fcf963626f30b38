"""Streams as real servers send them, made by dice from what they must be read as.

`make(dice)` gives the bytes in pieces and the truth: the text, the reasoning, and how the answer ended. What the dice
choose among is what servers of this protocol have been seen to do; every choice leaves the truth as it is.
"""

import json
import random
from dataclasses import dataclass, field
from typing import Any

PIECES = (
    "마당은 ",
    "모든 방이 ",
    "열리는 곳",
    "입니다. ",
    "Hello, ",
    "world",
    "\n\n",
    "x < y",
    " 🏡",
    "`<think>` ",
    "7",
    " ",
    "é",
)
THOUGHTS = ("음… ", "let me see", " 4 + 4", "\n", "그렇다면 ", "ok")
ENDS = ("stop", "stop", "length", "content_filter", "done", "cut", "error")
SPELLED = {
    "stop": ("stop", "STOP", "end_turn", "eos", "stop_sequence"),
    "length": ("length", "max_tokens", "MAX_TOKENS", "model_length"),
    "content_filter": ("content_filter", "SAFETY", "sensitive"),
}
NOISE = (
    {"choices": []},
    {"choices": None},
    {},
    {"choices": [{"index": 0, "delta": None}]},
    {"choices": [{"index": 0, "delta": {}}]},
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}], "id": "x"},
    {"choices": [{"index": 0, "delta": {"role": None, "content": None, "tool_calls": None}, "finish_reason": None}]},
    {"choices": [{"index": 1, "delta": {"content": "another choice"}}]},
    {
        "choices": [],
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False}}}],
    },
    {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}},
    {"choices": [], "usage": None},
    {"type": "ping"},
    None,
)
LINES = (
    ": keep-alive",
    ":",
    "event: message",
    "event: completion.chunk",
    "id: 7",
    "retry: 3000",
    "data:",
    "data: null",
    "data: ping",
    "",
)
ERRORS = (
    {"error": {"message": "boom", "code": 500}},
    {"error": "boom"},
    {"error": {"message": "boom", "type": "server_error", "code": None, "param": None}},
    {"object": "error", "message": "boom", "type": "BadRequestError", "code": 400},
    {"type": "error", "error": {"type": "overloaded_error", "message": "boom"}},
    {"detail": "boom"},
    {"detail": [{"loc": ["body"], "msg": "boom"}]},
    {"errors": [{"message": "boom"}]},
    [{"error": {"code": 503, "message": "boom", "status": "UNAVAILABLE"}}],
    {
        "choices": [
            {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": {"message": "boom", "code": 502}}
        ]
    },
    {"base_resp": {"status_code": 1008, "status_msg": "boom"}},
    {"code": 429, "message": "boom"},
)


@dataclass
class Truth:
    """What a stream must be read as. `end` is a finish reason, "done", "cut" or "error"."""

    text: str = ""
    reasoning: str = ""
    end: str = "stop"


@dataclass
class Writer:
    """Writes one stream in one server's manner."""

    dice: random.Random
    out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.line_end = self.dice.choice(("\n", "\n", "\n", "\r\n", "\r", "mixed"))
        self.prefix = self.dice.choice(("data: ", "data: ", "data:", "data:  "))
        self.is_ascii = self.dice.random() < 0.5
        self.blank = self.dice.random() < 0.9
        self.reasons = self.dice.choice(("reasoning_content", "reasoning", "thinking", "details", "parts", "tags"))
        self.habit = self.dice.choice(("plain", "plain", "parts", "empty_reason", "usage", "odd", "message", "text"))

    def line(self, text: str) -> None:
        end = self.line_end if self.line_end != "mixed" else self.dice.choice(("\n", "\r\n", "\r"))
        self.out.append(text + end)

    def event(self, value: Any) -> None:
        spread = self.dice.random() < 0.03 and self.blank
        for part in json.dumps(value, ensure_ascii=self.is_ascii, indent=1 if spread else None).split("\n"):
            self.line(self.prefix + part)
        if self.blank or spread:
            self.line("")
        if self.dice.random() < 0.08:
            self.line(self.dice.choice(LINES))

    def choice(self, delta: dict[str, Any], finish: str | None = None) -> None:
        kind = "message" if self.habit == "message" else "delta"
        choice: dict[str, Any] = {"index": 0, kind: delta, "finish_reason": finish}
        event: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}
        if self.habit == "text" and finish is None and set(delta) == {"content"}:
            choice = event["choices"][0] = {"index": 0, "text": delta["content"], "finish_reason": None}
        elif self.habit == "empty_reason" and finish is None:
            choice["finish_reason"] = self.dice.choice(("", "null", None))
        elif self.habit == "usage":
            event["usage"] = self.dice.choice(({"prompt_tokens": 4, "completion_tokens": 2}, None, "free", {}, -1))
        elif self.habit == "odd":
            self._make_odd(event, choice)
        if self.dice.random() < 0.05:
            event["choices"].append({"index": 1, kind: {"content": "another choice"}})
        self.event(event)

    def _make_odd(self, event: dict[str, Any], choice: dict[str, Any]) -> None:
        event["created"] = self.dice.choice(("now", None, 1.5, [], True))
        choice["index"] = self.dice.choice(("0", 0, None, 0.0))
        choice["logprobs"] = self.dice.choice((None, {"content": []}, "no"))
        if choice.get("delta"):
            choice["delta"]["tool_calls"] = self.dice.choice(([], None, "none", {}, [None]))
            choice["delta"]["refusal"] = self.dice.choice((None, "", []))

    def say(self, text: str) -> None:
        if self.habit == "parts":
            self.choice({"content": [{"type": "text", "text": text}]})
        elif text == "7" and self.dice.random() < 0.5 and self.habit != "text":
            self.choice({"content": 7})
        elif len(text) == 2 and text.endswith("🏡") and self.is_ascii:
            self.choice({"content": text[0] + "\ud83c"})
            self.choice({"content": "\udfe1"})
        else:
            self.choice({"content": text})

    def think(self, text: str) -> None:
        if self.reasons == "details":
            self.choice({"content": None, "reasoning_details": [{"type": "reasoning.text", "text": text}]})
        elif self.reasons == "parts":
            self.choice({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]})
        else:
            self.choice({"content": None, self.reasons: text})


def make(dice: random.Random) -> tuple[list[bytes], Truth]:
    """One stream in the pieces that the network brings it in, and what it must be read as."""
    writer, truth = Writer(dice), Truth(end=dice.choice(ENDS))
    thoughts = [dice.choice(THOUGHTS) for _ in range(dice.choice((0, 0, 1, 3)))]
    texts = [dice.choice(PIECES) for _ in range(dice.randrange(1, 7))]
    if dice.random() < 0.1:
        writer.out.append("\ufeff")
    _noise(writer, at_start=True)
    _write_thoughts(writer, truth, thoughts, texts)
    for text in texts:
        writer.say(text)
        _noise(writer)
    truth.text += "".join(texts)
    _write_end(writer, truth)
    return _cut(dice, "".join(writer.out).encode("utf-8")), truth


def _noise(writer: Writer, *, at_start: bool = False) -> None:
    if writer.dice.random() < 0.15:
        noise = writer.dice.choice(NOISE)
        is_other = bool(noise) and noise.get("choices") and noise["choices"][0]["index"] == 1
        if not (at_start and is_other):
            writer.event(noise)


def _write_thoughts(writer: Writer, truth: Truth, thoughts: list[str], texts: list[str]) -> None:
    if not thoughts:
        return
    truth.reasoning = "".join(thoughts)
    if writer.reasons == "tags":
        whole = f"<think>{truth.reasoning}</think>"
        at = writer.dice.randrange(1, len(whole))
        for piece in (whole[:at], whole[at:]):
            writer.choice({"content": piece})
        texts[0] = texts[0].lstrip() or "그"
        return
    for thought in thoughts:
        writer.think(thought)
        _noise(writer)


def _write_end(writer: Writer, truth: Truth) -> None:
    dice = writer.dice
    if truth.end in SPELLED:
        writer.choice({}, dice.choice(SPELLED[truth.end]))
        if dice.random() < 0.5:
            writer.event({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2}})
    elif truth.end == "error":
        if dice.random() < 0.2:
            writer.line("event: error")
        writer.event(dice.choice(ERRORS))
    elif truth.end == "cut" and dice.random() < 0.5:
        half = 'data: {"id":"x","choices":[{"index":0,"delta":{"content":"half'
        writer.out.append(half[: dice.randrange(1, len(half))])
        return
    if truth.end == "done" or (truth.end != "cut" and dice.random() < 0.7):
        writer.line(dice.choice(("data: [DONE]", "data:[DONE]", "data: [DONE] ")))
    elif dice.random() < 0.3:
        writer.out[-1] = writer.out[-1].rstrip("\r\n")


def _cut(dice: random.Random, stream: bytes) -> list[bytes]:
    if dice.random() < 0.02:
        return [stream[at : at + 1] for at in range(len(stream))]
    cuts = sorted(dice.randrange(len(stream) + 1) for _ in range(dice.choice((0, 1, 2, 5, 9))))
    pieces = [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    return [piece for piece in pieces if piece]
