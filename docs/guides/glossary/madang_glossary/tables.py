"""Rows of the glossary."""

from uuid import UUID

from sqlalchemy.orm import Mapped

from madang.kernel.db import Row, id_column


class TermRow(Row):
    """A word of one account."""

    __tablename__ = "glossary_terms"
    __table_args__ = ({"schema": "user"},)

    id: Mapped[UUID] = id_column()
    account_id: Mapped[UUID]
    word: Mapped[str]
    meaning: Mapped[str]
