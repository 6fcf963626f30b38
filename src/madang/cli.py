"""The command line. What a command needs is imported when it runs, so that `madang --help` is there at once."""

import importlib
import json
import os
import sys
from collections.abc import Sequence
from typing import override

import click

from madang import __version__


class Commands(click.Group):
    """Our own commands, and those that the installed modules bring."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *(command.name or "" for command in self._brought())]

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if own := super().get_command(ctx, cmd_name):
            return own
        return next((command for command in self._brought() if command.name == cmd_name), None)

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        found = super().resolve_command(ctx, args)
        if found[0] not in self.commands:
            from madang.catalog import installed
            from madang.local.running import adopt

            ctx.obj = installed()
            adopt()
        return found

    @override
    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if said := _about_settings(error, ctx):
                raise click.ClickException(said) from error
            raise

    def _brought(self) -> Sequence[click.Command]:
        from madang.catalog import installed

        return [command for module in installed() for command in module.cli()]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Madang: the self-hosted server behind AI chat products.

    Start with `madang up`. Every command that prints data also takes --json.
    """


@main.command()
def up() -> None:
    """Start everything on this machine: databases, models, api, worker and scheduler."""
    _become("madang.processes.up")


@main.command()
def api() -> None:
    """Serve HTTP. Needs DATABASE_URL, VALKEY_URL and MADANG_SECRET_KEY."""
    _look_at_settings()
    _look_at_database()
    _become("madang.processes.api")


@main.command()
def worker() -> None:
    """Write answers and do other long work. Needs the same settings as the api."""
    _look_at_settings()
    _look_at_database()
    _become("madang.processes.worker")


@main.command()
def scheduler() -> None:
    """Do what the clock asks for; only one of several is active. Needs the same settings as the api."""
    _look_at_settings()
    _look_at_database()
    _become("madang.processes.scheduler")


@main.command()
def migrate() -> None:
    """Bring the database to this version. Needs DATABASE_URL or MADANG_OWNER_DATABASE_URL of the tables' owner."""
    _become("madang.migrations.__main__")


@main.command(hidden=True)
@click.argument("kind", type=click.Choice(["chat", "embeddings"]))
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="The port on 127.0.0.1 to serve on.")
def models(kind: str, port: int) -> None:
    """Serve one of the built-in models by OpenAI's protocol; `madang up` does this by itself."""
    from madang.local.settings import LocalSettings

    os.environ["MADANG_MODELS_DIR"] = str(LocalSettings().models_folder)
    os.environ["MADANG_LOCAL_MODELS_PORT"] = os.environ["MADANG_LOCAL_EMBEDDINGS_PORT"] = str(port)
    _become("madang.local.language_model" if kind == "chat" else "madang.local.embeddings")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def version(*, as_json: bool) -> None:
    """Say which version this is."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    click.echo(json.dumps({"madang": __version__, "python": python}) if as_json else f"madang {__version__}")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(*, as_json: bool) -> None:
    """Look at what Madang needs and say what to do about what is missing."""
    from madang.local import doctor as practice

    findings = practice.examine()
    click.echo(practice.as_json(findings) if as_json else practice.as_text(findings))
    if not all(finding.ok for finding in findings):
        sys.exit(1)


def _about_settings(error: Exception, ctx: click.Context) -> str | None:
    """What is wrong with a setting, if that is what the error is about."""
    if not type(error).__module__.startswith("pydantic"):
        return None
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from madang.processes.checking import explain

    if isinstance(error, SettingsError) or (isinstance(error, ValidationError) and "Settings" in error.title):
        return explain(error, ctx.obj or ())
    return None


def _look_at_settings() -> None:
    """End with a sentence about the first setting that is wrong, if one is."""
    from madang.catalog import installed
    from madang.processes.checking import WrongSettingError, check_settings

    try:
        check_settings(installed())
    except WrongSettingError as error:
        sys.exit(str(error))


def _look_at_database() -> None:
    """End with a sentence when Madang cannot work on the database; one that is away is waited for, not looked at."""
    import psycopg

    from madang.kernel.settings import load
    from madang.local.database_check import look_at_database
    from madang.migrations import heads

    settings = load()
    is_production = settings.environment == "production"
    try:
        troubles = look_at_database(settings.database_url.get_secret_value(), heads(), is_production=is_production)
    except psycopg.OperationalError:
        return
    for trouble in troubles:
        click.echo(trouble.text, err=True)
    if any(trouble.is_fatal for trouble in troubles):
        sys.exit(1)


def _become(module: str) -> None:
    """Run the process of this name in place of the command line."""
    sys.exit(importlib.import_module(module).main())


if __name__ == "__main__":
    main()
