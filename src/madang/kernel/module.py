"""The plug: everything a feature or product brings, one method a process.

The methods import what they return when they are called, so that each process loads only what it runs: the api
never imports an agent's libraries, and `madang --help` imports nothing at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import click
    from fastapi import APIRouter

    from madang.kernel.events import Reaction
    from madang.kernel.jobs import Job, Schedule


@dataclass(frozen=True)
class Slot[T]:
    """A named place that modules offer values of one type to."""

    name: str

    def offer(self, value: T) -> "Offer[T]":
        """This value, offered to this slot."""
        return Offer(self, value)


@dataclass(frozen=True, slots=True)
class Offer[T]:
    """One value for one slot."""

    slot: Slot[T]
    value: T


class Module:
    """What a feature or a product plugs in. Override only what you bring."""

    name: ClassVar[str]

    def routes(self) -> "Sequence[APIRouter]":
        """HTTP routes, for the api process; they are mounted under `/api/v1`."""
        return ()

    def roots(self) -> "Sequence[APIRouter]":
        """HTTP routes that are mounted at `/`, such as health checks and other dialects."""
        return ()

    def jobs(self) -> "Sequence[Job]":
        """Work that outlives a request, for the worker."""
        return ()

    def reactions(self) -> "Sequence[Reaction]":
        """What follows from facts that others announce, for the worker."""
        return ()

    def schedules(self) -> "Sequence[Schedule]":
        """Work by the clock, for the scheduler."""
        return ()

    def cli(self) -> "Sequence[click.Command]":
        """Commands under `madang`."""
        return ()

    def offers(self) -> "Sequence[Offer[object]]":
        """Values for slots: an authenticator, an agent, a model provider."""
        return ()


class Offers:
    """All offers of the installed modules, by slot, in the order of the catalog."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self._offers = [offer for module in modules for offer in module.offers()]

    def all[T](self, slot: Slot[T]) -> list[T]:
        """Every value offered to the slot."""
        return [offer.value for offer in self._offers if offer.slot.name == slot.name]  # type: ignore[misc]  # the slot's name stands for its type

    def one[T](self, slot: Slot[T]) -> T:
        """The last value offered to the slot, so that a later module can replace an earlier one's.

        Raises LookupError when nothing was offered.
        """
        found = self.all(slot)
        if not found:
            msg = f"no installed module offers anything to the slot {slot.name!r}"
            raise LookupError(msg)
        return found[-1]
