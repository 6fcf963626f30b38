"""Looks at every setting before anything starts, so that a wrong one is named at once and not at its first use."""

import importlib
import importlib.util
import inspect
import os
import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import AliasChoices, ValidationError
from pydantic_settings import BaseSettings, SettingsError

from madang.kernel.module import Module
from madang.kernel.settings import Settings
from madang.local.words import say

SCHEMES = {
    "DATABASE_URL": ("postgresql://", "postgres://"),
    "MADANG_OWNER_DATABASE_URL": ("postgresql://", "postgres://"),
    "VALKEY_URL": ("redis://", "rediss://", "unix://"),
    "MADANG_SMTP_URL": ("smtp://", "smtps://"),
    "OPENAI_BASE_URL": ("http://", "https://"),
    "MADANG_LOCAL_MODELS_URL": ("http://", "https://"),
    "MADANG_LOCAL_EMBEDDINGS_URL": ("http://", "https://"),
}
"""How addresses begin. A wrong one would be shown whole, with its password, by the library that is given it."""

MADE_BY_UP = {"database_url": "postgresql://", "valkey_url": "redis://", "secret_key": "-" * 64}
"""What `madang up` gives its children when the operator gave nothing."""


class WrongSettingError(Exception):
    """A setting that is not acceptable; the message names it and says why, in the language of the terminal."""


def check_settings(modules: Sequence[Module], given: Mapping[str, str] | None = None) -> None:
    """Read the house's settings and those of every module; `given` are some of the house's own that come later.

    Raises WrongSettingError for the first that is wrong.
    """
    for variable, beginnings in SCHEMES.items():
        address = os.environ.get(variable)
        if address and not address.startswith(beginnings):
            reason = f"it must begin with {' or '.join(beginnings)}"
            raise WrongSettingError(say("setting", name=variable, reason=reason))
    read(Settings, **(given or {}))
    for module in modules:
        for kind in _kinds(module):
            read(kind)


def read[T: BaseSettings](kind: type[T], **given: str) -> T:
    """The settings of this kind. Raises WrongSettingError."""
    try:
        return kind(**given)  # type: ignore[arg-type]  # names and values are checked when it is made
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = [str(part) for part in first["loc"]]
        name = variable_of(kind, place[0]) if place else "MADANG_*"
        where = f" ({'.'.join(place[1:])})" if len(place) > 1 else ""
        raise WrongSettingError(
            say("setting", name=name, reason=first["msg"].removeprefix("Value error, ").rstrip(".") + where)
        ) from None
    except SettingsError as error:
        found = re.search(r'field "(\w+)"', str(error))
        name = variable_of(kind, found[1]) if found else "MADANG_*"
        raise WrongSettingError(say("setting", name=name, reason="it is not JSON")) from None


def variable_of(kind: type[BaseSettings], place: str) -> str:
    """The environment variable of a field, which an error calls by its name or by one of its aliases."""
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        aliases = [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else []
        if place == name or place in aliases:
            return next(
                (one for one in aliases if one.isupper()), f"{kind.model_config.get('env_prefix')}{name}".upper()
            )
    return place.upper()


def _kinds(module: Module) -> Iterator[type[BaseSettings]]:
    name = f"{type(module).__module__.rpartition('.')[0]}.settings"
    if importlib.util.find_spec(name) is None:
        return
    imported = importlib.import_module(name)
    for _, kind in inspect.getmembers(imported, inspect.isclass):
        if issubclass(kind, BaseSettings) and kind.__module__ == name:
            yield kind
