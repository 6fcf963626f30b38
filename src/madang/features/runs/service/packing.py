"""A run's event log as bytes, for the row of a run that has ended."""

import zlib

import msgspec

from madang.kernel.tail import Event

_FAST = 1


def pack(events: list[Event]) -> bytes:
    """All events from number 1 on."""
    return zlib.compress(msgspec.msgpack.encode([(event.type, event.data) for event in events]), _FAST)


def unpack(log: bytes) -> list[Event]:
    """All of them again."""
    pairs = msgspec.msgpack.decode(zlib.decompress(log), type=list[tuple[bytes, bytes]])
    return [Event(seq, *pair) for seq, pair in enumerate(pairs, 1)]
