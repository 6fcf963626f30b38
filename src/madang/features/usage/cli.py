"""`madang usage` and `madang budgets`: what was spent, and how much may be."""

import json
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

if TYPE_CHECKING:
    from madang.features.usage.contracts import Standing, SubjectKind
    from madang.kernel.db import Tx
    from madang.kernel.house import House

NANOS = 1_000_000_000

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.command()
@click.option("--by", type=click.Choice(["model", "scope", "account", "agent", "day"]), help="One grouping only.")
@as_json
def usage(by: str | None, *, as_json: bool) -> None:
    """What models cost this month, by model and by organisation."""
    from madang.adapters.command import in_house

    found = in_house(lambda house: _spent(house, [by] if by else ["model", "scope"]))
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, groups in found["groups"].items():
        click.echo(f"{name:<44}{'calls':>10}{'tokens in':>14}{'tokens out':>14}{'USD':>14}")
        for group in groups:
            label = group["label"] or "–"
            numbers = f"{group['calls']:>10,}{group['input_tokens']:>14,}{group['output_tokens']:>14,}"
            click.echo(f"{label[:42]:<44}{numbers}{group['cost'] / NANOS:>14,.4f}")
        click.echo("")
    click.echo(f"{found['from']} to {found['to']}: {found['total']['cost'] / NANOS:,.4f} USD")


async def _spent(house: "House", groupings: list[str]) -> dict[str, Any]:
    from madang.features.usage.contracts import NOBODY
    from madang.features.usage.service.spending import spending, this_month
    from madang.kernel.auth import Principal

    operator = Principal(NOBODY, is_supervisor=True)
    first, last = this_month()
    answer: dict[str, Any] = {"from": str(first), "to": str(last), "currency": "USD", "scale": NANOS, "groups": {}}
    async with house.db.transaction() as tx:
        for by in groupings:
            total, groups = await spending(tx, operator, by, (first, last), scope_id=None, account_id=None)  # type: ignore[arg-type]  # click chose it
            answer["total"] = _plain(total)
            answer["groups"][by] = [{"key": key, "label": label, **_plain(sums)} for key, label, sums in groups]
    return answer


def _plain(value: object) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain


@click.group()
def budgets() -> None:
    """How much may be spent."""


@budgets.command("list")
@as_json
def list_all(*, as_json: bool) -> None:
    """Every budget, as it stands."""
    from madang.adapters.command import in_house

    found = in_house(_all)
    if as_json:
        click.echo(json.dumps([_plain(one) for one in found]))
        return
    for one in found:
        whose = "platform" if one.subject_kind == "platform" else f"{one.subject_kind} {one.subject_id}"
        spent, held, limit = (_amount(one.unit, number) for number in (one.spent, one.reserved, one.amount))
        click.echo(f"{whose:<46}{one.period:<7}{spent:>14} spent {held:>14} reserved of {limit}")
    if not found:
        click.echo("There is no budget. `madang budgets set platform --limit 100` makes one of $100 a month.")


async def _all(house: "House") -> "list[Standing]":
    from madang.features.usage.service.budgets import all_budgets

    async with house.db.transaction() as tx:
        return await all_budgets(tx)


@budgets.command("set")
@click.argument("subject")
@click.option("--limit", "wanted", required=True, help="US dollars such as 12.50, or a number of tokens.")
@click.option(
    "--unit", type=click.Choice(["money", "tokens"]), default="money", show_default=True, help="What is limited."
)
@click.option(
    "--window",
    type=click.Choice(["day", "week", "month", "total"]),
    default="month",
    show_default=True,
    help="When it renews.",
)
@as_json
def set_budget(subject: str, wanted: str, unit: str, window: str, *, as_json: bool) -> None:
    """Make or change the budget of SUBJECT: `platform`, an account's e-mail address, or the id of a scope."""
    from madang.adapters.command import in_house

    amount = _parse(unit, wanted)
    made = in_house(lambda house: _set(house, subject, unit, window, amount))
    if as_json:
        click.echo(json.dumps(_plain(made)))
    else:
        often = "in total" if made.period == "total" else f"a {made.period}"
        click.echo(f"{_amount(made.unit, made.amount)} {often}, {_amount(made.unit, made.spent)} of it spent.")


async def _set(house: "House", subject: str, unit: str, window: str, amount: int) -> "Standing":
    from madang.features.usage.service.budgets import Limit, set_limit

    async with house.db.transaction() as tx:
        kind, subject_id = await _subject(tx, subject)
        return await set_limit(house, tx, None, Limit(kind, subject_id, unit, window, amount))  # type: ignore[arg-type]  # click chose them


async def _subject(tx: "Tx", subject: str) -> "tuple[SubjectKind, UUID]":
    from madang.features.accounts.public import account_by_email
    from madang.features.usage.contracts import NOBODY

    if subject == "platform":
        return "platform", NOBODY
    if "@" in subject:
        account = await account_by_email(tx, subject)
        if account is None:
            raise click.ClickException(f"There is no account with the address {subject}.")
        return "account", account.id
    try:
        return "scope", UUID(subject)
    except ValueError:
        raise click.ClickException("Name `platform`, an e-mail address, or the id of a scope.") from None


def _parse(unit: str, wanted: str) -> int:
    try:
        number = Decimal(wanted.replace(",", ""))
        amount = number * NANOS if unit == "money" else number
        if amount.is_finite() and amount == amount.to_integral_value() and 0 <= amount <= 9 * 10**15:
            return int(amount)
    except InvalidOperation:
        pass
    raise click.BadParameter("Give US dollars such as 12.50, or a whole number of tokens.", param_hint="--limit")


def _amount(unit: str, amount: int) -> str:
    return f"{amount / NANOS:,.2f} USD" if unit == "money" else f"{amount:,} tokens"
