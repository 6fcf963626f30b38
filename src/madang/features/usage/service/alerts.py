"""Letters about budgets: at 50, 80 and 100 percent, once each in a window, to those who can change the budget."""

from collections.abc import Sequence
from uuid import UUID

from madang.features.accounts.public import addresses_of, letter, supervisors
from madang.features.organisations.public import scope_names, stewards
from madang.features.usage.contracts import BudgetReached
from madang.kernel import mail
from madang.kernel.db import Tx
from madang.kernel.house import House

BILLION = 1_000_000_000
ALL = 100
SUBJECT = "예산 {percent}% 사용 · {percent}% of a budget is used"
TEXT = (
    "안녕하세요.\n\n{korean} 예산 {amount} 가운데 {spent}, 곧 {percent}%가 쓰였습니다. {renewal_korean}"
    "\n\nHello,\n\nof the budget of {english}, {amount}, {spent} or {percent}% are used. {renewal_english}\n\n{link}"
)
SHORT_SUBJECT = "예산이 모자랍니다 · A budget has too little left"
SHORT_TEXT = (
    "안녕하세요.\n\n{korean} 예산 {amount} 가운데 {spent}를 써서, 남은 예산으로는 답변을 받을 수 없습니다."
    " {renewal_korean}\n\nHello,\n\nof the budget of {english}, {amount}, {spent} are used, and what is left is too"
    " little for an answer. {renewal_english}\n\n{link}"
)
"""Where a question was refused before all was spent: the sums would contradict a hundred percent."""


async def write(house: House, tx: Tx, event: BudgetReached) -> None:
    """Post the letters with this transaction; nothing where mail is not set up."""
    if not mail.is_set_up(house.settings):
        return
    korean, english = await _names(tx, event)
    ends = f"{event.ends_at:%Y-%m-%d %H:%M} UTC" if event.ends_at else None
    is_short = event.percent == ALL and event.spent < event.amount
    text = (SHORT_TEXT if is_short else TEXT).format(
        korean=korean,
        english=english,
        amount=_amount(event, event.amount),
        spent=_amount(event, event.spent),
        percent=event.percent,
        renewal_korean=f"{ends}에 다시 시작합니다." if ends else "다시 시작하지 않습니다.",
        renewal_english=f"It begins anew at {ends}." if ends else "It does not begin anew.",
        link=house.settings.base_url,
    )
    subject = SHORT_SUBJECT if is_short else SUBJECT.format(percent=event.percent)
    for address in await addresses_of(tx, await _concerned(tx, event)):
        await mail.post(tx, letter(address, subject, text))


async def _names(tx: Tx, event: BudgetReached) -> tuple[str, str]:
    if event.subject_kind == "platform":
        return "서버 전체의", "the whole server"
    if event.subject_kind == "account":
        return "내 계정의", "your account"
    name = (await scope_names(tx, [event.subject_id])).get(event.subject_id, "")
    return f"“{name}”의", f"“{name}”"


async def _concerned(tx: Tx, event: BudgetReached) -> Sequence[UUID]:
    if event.subject_kind == "platform":
        return await supervisors(tx)
    if event.subject_kind == "account":
        return [event.subject_id]
    return await stewards(tx, event.path or (event.subject_id,))


def _amount(event: BudgetReached, value: int) -> str:
    return f"{value / BILLION:,.2f} USD" if event.unit == "money" else f"{value:,} tokens"
