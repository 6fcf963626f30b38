"""What the glossary gives and tells."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Term:
    """A word and what it means to this person."""

    id: UUID
    word: str
    meaning: str


@dataclass(frozen=True, slots=True)
class TermAdded:
    """Somebody explained a word."""

    name: ClassVar[str] = "glossary.term_added"
    account_id: UUID
    term_id: UUID
