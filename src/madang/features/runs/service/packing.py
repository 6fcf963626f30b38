"""A run's event log as bytes, for the row of a run that has ended."""

import zlib
from itertools import groupby

import msgspec

from madang.features.runs.contracts import SAID, TAKEN_BACK, EventType
from madang.kernel.streams import Event

_FAST = 1


def pack(events: list[Event]) -> bytes:
    """All events from number 1 on."""
    return zlib.compress(msgspec.msgpack.encode([(event.type, event.data) for event in events]), _FAST)


def unpack(log: bytes) -> list[Event]:
    """All of them again."""
    pairs = msgspec.msgpack.decode(zlib.decompress(log), type=list[tuple[bytes, bytes]])
    return [Event(seq, *pair) for seq, pair in enumerate(pairs, 1)]


def compacted(log: bytes) -> bytes:
    """The same run told in as few events as can be: what was taken back is left out, and texts are one each."""
    told: list[Event] = []
    for event in unpack(log):
        if event.type == TAKEN_BACK:
            since = msgspec.json.decode(event.data)["from_seq"]
            told = [one for one in told if one.seq < since or one.type not in SAID]
        else:
            told.append(event)
    whole: list[Event] = []
    for kind, group in groupby(told, lambda event: event.type):
        events = list(group)
        whole += _joined(events) if kind in _TEXTS else events
    return pack(whole)


def said(log: bytes) -> str:
    """The text of a run that was compacted."""
    return "".join(_text(event) for event in unpack(log) if event.type == _DELTA)


_DELTA = EventType.DELTA.encode()
_TEXTS = (_DELTA, EventType.REASONING.encode())


def _joined(events: list[Event]) -> list[Event]:
    text = "".join(_text(event) for event in events)
    return [events[0]._replace(data=msgspec.json.encode({"text": text}))]


def _text(event: Event) -> str:
    return str(msgspec.json.decode(event.data)["text"])
