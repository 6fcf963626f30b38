"""Looks at every setting before anything starts, so that a wrong one is named at once and not at its first use."""

import importlib
import importlib.util
import inspect
import os
import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import AliasChoices, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsError

from madang.kernel.module import Module
from madang.kernel.settings import Settings
from madang.local.setting_words import reason_of
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
            raise _wrong(variable, reason_of("scheme", "", {"allowed": ", ".join(beginnings)}))
    read(Settings, **(given or {}))
    for module in modules:
        for kind in _kinds(module):
            read(kind)


def read[T: BaseSettings](kind: type[T], **given: str) -> T:
    """The settings of this kind. Raises WrongSettingError."""
    try:
        return kind(**given)  # type: ignore[arg-type]  # names and values are checked when it is made
    except ValidationError as error:
        raise _explain(kind, error.errors(include_input=False, include_url=False)[0]) from None
    except SettingsError as error:
        raise _not_json(kind, error) from None


def explain(error: ValidationError | SettingsError, modules: Sequence[Module]) -> str:
    """What to tell somebody whose command met a wrong setting, or none at all where they need one."""
    if isinstance(error, SettingsError):
        return str(_not_json(Settings, error))
    first = error.errors(include_input=False, include_url=False)[0]
    kinds: list[type[BaseSettings]] = [Settings, *(kind for module in modules for kind in _kinds(module))]
    kind = next((kind for kind in kinds if kind.__name__ == error.title), kinds[0])
    if first["type"] == "missing" and variable_of(kind, str(first["loc"][0])) == "DATABASE_URL":
        return say("no_house")
    return str(_explain(kind, first))


def _not_json(kind: type[BaseSettings], error: SettingsError) -> WrongSettingError:
    found = re.search(r'field "(\w+)"', str(error))
    name = variable_of(kind, found[1]) if found else "MADANG_*"
    return _wrong(name, reason_of("json_invalid", "", {}))


def _explain(kind: type[BaseSettings], error: ErrorDetails) -> WrongSettingError:
    """The sentence for an error of pydantic's."""
    place = [str(part) for part in error["loc"]]
    name = variable_of(kind, place[0]) if place else "MADANG_*"
    field = field_of(kind, place[0]) if place else None
    where = f" ({'.'.join(place[1:])})" if len(place) > 1 else ""
    said = error["msg"].removeprefix("Value error, ").rstrip(".")
    sort, context = error["type"], error.get("ctx", {})
    if sort == "string_pattern_mismatch" and field is not None and field.examples and not where:
        sort, context = "example", {"examples": ", ".join(str(one) for one in field.examples)}
    return _wrong(name, reason_of(sort, said, context) + where)


def _wrong(name: str, reason: str) -> WrongSettingError:
    return WrongSettingError(say("setting", name=name, reason=reason))


def field_of(kind: type[BaseSettings], place: str) -> FieldInfo | None:
    """The field that an error calls by its name or by one of its aliases."""
    for name, field in kind.model_fields.items():
        if place == name or place in _aliases(field):
            return field
    return None


def _aliases(field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else []


def variable_of(kind: type[BaseSettings], place: str) -> str:
    """The environment variable of a field, which an error calls by its name or by one of its aliases."""
    for name, field in kind.model_fields.items():
        aliases = _aliases(field)
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
