"""`madang migrate`: bring the database, LangGraph's part included, to this version."""

import asyncio
import os
import sys

import psycopg

from madang.features.agents.public import prepare_checkpoints
from madang.features.operations.public import audit_months
from madang.features.usage.public import usage_months
from madang.migrations import UnknownRevisionError, is_current, keep_months, upgrade


def main() -> None:
    """Migrate the database of `MADANG_OWNER_DATABASE_URL` or `DATABASE_URL`."""
    url = os.environ.get("MADANG_OWNER_DATABASE_URL") or os.environ.get("DATABASE_URL")
    if not url:
        sys.exit("Set DATABASE_URL, or MADANG_OWNER_DATABASE_URL if the tables have another owner, and run this again.")
    try:
        if not is_current(url):
            asyncio.run(prepare_checkpoints(url))
            upgrade(url)
        keep_months(url, {"supervisor.audit": audit_months(), "partner.usage": usage_months()})
    except UnknownRevisionError as error:
        sys.exit(f"This installation is older than the database, or a product it had is missing: {error}")
    except psycopg.Error as error:
        sys.exit(f"The database could not be brought to this version: {error}")


if __name__ == "__main__":
    main()
