"""People, and how each likes Madang to be."""

from uuid import UUID

from fastapi import APIRouter
from pydantic import StrictBool

from madang.features.accounts.contracts import Language, Preferences, Theme
from madang.features.accounts.routes.shared import Line, User, next_cursor, shown_user
from madang.features.accounts.service import people
from madang.kernel.http import HouseDep, Limit, Page, ReadTx, Strict, Who, WriteTx, require_reauthentication
from madang.kernel.problems import problems

router = APIRouter(prefix="/users", tags=["users"])


class PreferencesBody(Strict):
    """How somebody likes Madang to be; null leaves the choice to the house."""

    language: Language | None = None
    theme: Theme = "system"
    model: Line | None = None


class UserBody(Strict):
    """What can be changed about a person; only supervisors disable."""

    name: Line
    is_disabled: StrictBool | None = None


@router.get("/", responses=problems(401, 403))
async def list_users(
    tx: ReadTx, who: Who, q: Line | None = None, cursor: UUID | None = None, limit: Limit = 50
) -> Page[User]:
    """List people, for supervisors, the newest first; `q` searches names and e-mail addresses."""
    found = await people.listed(tx, who, text=q, before=cursor, limit=limit + 1)
    return Page(
        items=[shown_user(one) for one in found[:limit]], next_cursor=next_cursor([one.id for one in found], limit)
    )


@router.get("/me/preferences", responses=problems(401))
async def get_preferences(tx: ReadTx, who: Who) -> Preferences:
    """Tell how the caller likes Madang to be."""
    return await people.preferences(tx, who)


@router.put("/me/preferences", responses=problems(401))
async def put_preferences(tx: WriteTx, who: Who, body: PreferencesBody) -> Preferences:
    """Keep how the caller likes Madang to be."""
    wanted = Preferences(language=body.language, theme=body.theme, model=body.model)
    return await people.prefer(tx, who, wanted)


@router.get("/{user_id:uuid}", responses=problems(401, 404))
async def get_user(tx: ReadTx, who: Who, user_id: UUID) -> User:
    """Show oneself, or anybody to a supervisor."""
    return shown_user(await people.get(tx, who, user_id))


@router.put("/{user_id:uuid}", responses=problems(401, 403, 404, 409))
async def put_user(house: HouseDep, who: Who, user_id: UUID, body: UserBody) -> User:
    """Change one's own name; a supervisor changes anybody's, and disables and enables accounts."""
    if body.is_disabled is not None:
        await require_reauthentication(house, who)
    return shown_user(await people.change(house, who, user_id, name=body.name, is_disabled=body.is_disabled))
