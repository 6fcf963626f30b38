"""The installed modules, in order; external ones join by the entry point group `madang.modules`."""

from functools import cache
from importlib.metadata import entry_points

from madang.features.accounts.module import Accounts
from madang.features.agents.module import Agents
from madang.features.chat.module import Chat
from madang.features.files.module import Files
from madang.features.knowledge.module import Knowledge
from madang.features.operations.module import Operations
from madang.features.organisations.module import Organisations
from madang.features.providers.module import Providers
from madang.features.runs.module import Runs
from madang.features.usage.module import Usage
from madang.kernel.module import Module

BUILT_IN: tuple[type[Module], ...] = (
    Accounts,
    Organisations,
    Files,
    Usage,
    Providers,
    Knowledge,
    Agents,
    Runs,
    Chat,
    Operations,
)


@cache
def installed() -> tuple[Module, ...]:
    """Every module: the built-in ones, lower layers first, then those of other packages by name."""
    outside = sorted(entry_points(group="madang.modules"), key=lambda entry: entry.name)
    return (*(module() for module in BUILT_IN), *(entry.load()() for entry in outside))
