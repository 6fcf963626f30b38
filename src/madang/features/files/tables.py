"""Rows of files."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped

from madang.kernel.db import Row, created_at_column, id_column


class File(Row):
    """A stored file. The bytes are in storage under `key`, which no other row has."""

    __tablename__ = "files"
    __table_args__ = ({"schema": "user"},)

    id: Mapped[UUID] = id_column()
    account_id: Mapped[UUID]
    filename: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]
    key: Mapped[str]
    created_at: Mapped[datetime] = created_at_column()
