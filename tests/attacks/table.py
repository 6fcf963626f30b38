"""The attack table: for every way in, how to reach for what is the victim's, and what each attacker is told.

A new route, job or reaction needs an entry; the tests say so when there is none. See docs/decisions for the reasons.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from madang.features.accounts.contracts import AccountDeleted, LetterWanted
from madang.features.files.contracts import DiscardObject
from madang.features.knowledge.contracts import IngestDocument
from madang.features.organisations.contracts import MemberJoined, MemberLeft, ScopeDeleted
from madang.features.runs.contracts import RunEnded, RunOrder
from madang.features.usage.contracts import BudgetReached, CallsCorrected, ForgetSubject
from madang.kernel.clock import now
from madang.kernel.ids import new_id

MAY = 0
"""Told to an attacker whose right it is: no attack, so it is not tried."""


@dataclass(frozen=True)
class Reach:
    """A way in that takes ids. Braces in `query`, `json` and `at` stand for things of the victim's, by `THINGS`.

    `told` is the status for attackers who are signed in, those inside the victim's organisation each by name; whoever
    nobody knows is told 401, and a key without the permission 403. `at` gives parameters of the path another meaning.
    """

    told: int | Mapping[str, int] = 404
    json: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    key: int = 403
    at: Mapping[str, str] = field(default_factory=dict)

    def to(self, attacker: str) -> int:
        """The status that this attacker is told."""
        return self.told if isinstance(self.told, int) else self.told.get(attacker, self.told["others"])


@dataclass(frozen=True)
class Own:
    """A way in that takes no id and gives everybody their own; nothing of the victim's may be in it.

    Not called as those who are signed in where `calls` is false, because it would end what they need here.
    """

    json: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    files: Any = None
    calls: bool = True


@dataclass(frozen=True)
class Open:
    """A way in for visitors, which has tests of its own; `why` says what it asks for instead of a token."""

    why: str


type Entry = Reach | Own | Open

THINGS = {
    "session_id": "user.sessions.id",
    "message_id": "user.messages.id",
    "run_id": "user.runs.id",
    "document_id": "user.documents.id",
    "user_id": "user.accounts.id",
    "key_id": "user.api_keys.id",
    "passkey_id": "user.passkeys.id",
    "identity_id": "user.identities.id",
    "login_id": "user.logins.id",
    "scope_id": "partner.scopes.id",
    "member_id": "partner.memberships.id",
    "invite_id": "partner.invites.id",
    "budget_id": "partner.budgets.id",
    "token_id": "partner.scim_tokens.id",
    "group_id": "partner.scim_groups.id",
    "scim_user_id": "partner.scim_users.id",
    "audit_id": "supervisor.audit.id",
    "account_email": "user.accounts.email",
}
"""What a name in a path or in braces means: a column of the victim's row."""

NO_CODE = "AAAAAAAAAAAAAAAAAAAAAA"
"""The victim's codes are known to nobody, here as everywhere: only their hashes are kept."""

OWN = Reach()
SUPERVISORS = 403

MEMBERS_READ = {"others": 404, "student": MAY, "manager": MAY, "suspended": MAY}
"""A suspended member still sees that the scope is there."""
MANAGERS = {"others": 404, "student": 403, "manager": MAY}
OWNERS = {"others": 404, "student": 403, "manager": 403}
BUDGETS = {"others": 404, "manager": 403}
"""Who may not read the budgets of a scope does not learn that there is this one."""

SCIM = Reach(401, key=401, at={"path": "Users/{scim_user_id}"}, json={})
"""These ask for a token of the organisation's own, which none of the attackers has."""

ROUTES: dict[str, Entry] = {
    "GET /api/v1/auth/setup": Open("nothing; it says who may register"),
    "POST /api/v1/auth/register": Open("an invite code, or the operator's leave"),
    "POST /api/v1/auth/login": Open("the password"),
    "POST /api/v1/auth/verify-email/request": Open("nothing: everybody gets the same answer, and the owner a mail"),
    "POST /api/v1/auth/verify-email": Open("the token of a mail"),
    "POST /api/v1/auth/password/forgot": Open("nothing: everybody gets the same answer, and the owner a mail"),
    "POST /api/v1/auth/password/reset": Open("the token of a mail"),
    "POST /api/v1/auth/login/second-factor": Open("a challenge and a code"),
    "POST /api/v1/auth/refresh": Open("the refresh token"),
    "POST /api/v1/auth/logout": Open("the refresh token"),
    "POST /api/v1/auth/restore": Open("the password"),
    "POST /api/v1/auth/passkey/options": Open("nothing; it makes a challenge"),
    "POST /api/v1/auth/passkey": Open("a challenge that the passkey has signed"),
    "GET /api/v1/auth/oidc/{provider}/start": Open("nothing; it leads to the provider"),
    "GET /api/v1/auth/oidc/{provider}/callback": Open("the provider's answer to a state of one's own"),
    "GET /api/v1/auth/me": Own(),
    "POST /api/v1/auth/confirm": Own(json={"password": "x"}),
    "POST /api/v1/auth/invites": Reach(SUPERVISORS, json={}),
    "GET /api/v1/auth/invites": Reach(SUPERVISORS),
    "DELETE /api/v1/auth/invites/{invite_id}": Reach(SUPERVISORS),
    "GET /api/v1/users/": Reach(SUPERVISORS, query={"q": "{account_email}"}),
    "GET /api/v1/users/me/preferences": Own(),
    "PUT /api/v1/users/me/preferences": Own(json={}),
    "GET /api/v1/users/me/export": Own(),
    "GET /api/v1/users/me/memberships": Own(),
    "PUT /api/v1/users/me/email": Own(json={"email": "elsewhere@example.org", "password": "x"}),
    "PUT /api/v1/users/me/password": Own(json={"current_password": "x", "new_password": "another courtyard 8"}),
    "GET /api/v1/auth/sessions/": Own(),
    "DELETE /api/v1/auth/sessions/": Own(calls=False),
    "DELETE /api/v1/auth/sessions/?including_this=true": Own(calls=False),
    "DELETE /api/v1/auth/sessions/{login_id}": OWN,
    "GET /api/v1/users/me/keys": Own(),
    "GET /api/v1/users/me/keys/permissions": Own(),
    "POST /api/v1/users/me/keys": Own(json={"name": "a key", "permissions": []}),
    "DELETE /api/v1/users/me/keys/{key_id}": OWN,
    "GET /api/v1/users/me/second-factors": Own(),
    "POST /api/v1/users/me/totp": Own(json={"password": "courtyard rain 7"}),
    "POST /api/v1/users/me/totp/confirm": Own(json={"code": "000000"}),
    "DELETE /api/v1/users/me/totp": Own(json={"password": "courtyard rain 7"}),
    "POST /api/v1/users/me/recovery-codes": Own(json={"password": "courtyard rain 7"}),
    "POST /api/v1/users/me/passkeys/options": Own(json={"password": "courtyard rain 7"}),
    "POST /api/v1/users/me/passkeys": Own(json={"name": "a passkey", "credential": {}}),
    "PUT /api/v1/users/me/passkeys/{passkey_id}": Reach(json={"name": "mine"}),
    "DELETE /api/v1/users/me/passkeys/{passkey_id}": OWN,
    "GET /api/v1/users/me/identities": Own(),
    "POST /api/v1/users/me/identities": Own(json={"provider": "nowhere"}),
    "DELETE /api/v1/users/me/identities/{identity_id}": OWN,
    "GET /api/v1/users/{user_id}": OWN,
    "PUT /api/v1/users/{user_id}": Reach(json={"name": "somebody else"}),
    "DELETE /api/v1/users/{user_id}": Reach(json={"password": "courtyard rain 7"}),
    "POST /api/v1/users/{user_id}/restore": Reach(SUPERVISORS),
    "PUT /api/v1/users/{user_id}/role": Reach(SUPERVISORS, json={"role": "supervisor", "password": "courtyard rain 7"}),
    "DELETE /api/v1/users/{user_id}/sessions": Reach(SUPERVISORS),
    "DELETE /api/v1/users/{user_id}/second-factors": Reach(SUPERVISORS, json={"password": "courtyard rain 7"}),
    "POST /api/v1/users/{user_id}/password-letter": Reach(SUPERVISORS),
    "GET /api/v1/organisations/": Own(),
    "GET /api/v1/organisations/?deleted=true": Own(),
    "POST /api/v1/organisations/": Reach(403, json={"name": "mine", "owner_email": "{account_email}"}),
    "GET /api/v1/scopes/{scope_id}": Reach(MEMBERS_READ),
    "PUT /api/v1/scopes/{scope_id}": Reach(MANAGERS, json={"name": "mine"}),
    "DELETE /api/v1/scopes/{scope_id}": Reach(OWNERS),
    "POST /api/v1/scopes/{scope_id}/restore": Reach(OWNERS),
    "POST /api/v1/scopes/{scope_id}/suspend": Reach(OWNERS),
    "POST /api/v1/scopes/{scope_id}/resume": Reach(OWNERS),
    "GET /api/v1/scopes/{scope_id}/children": Reach(MEMBERS_READ),
    "GET /api/v1/scopes/{scope_id}/children?deleted=true": Reach(OWNERS),
    "POST /api/v1/scopes/{scope_id}/children": Reach(MANAGERS, json={"kind": "class", "name": "mine"}),
    "GET /api/v1/scopes/{scope_id}/members": Reach(MANAGERS),
    "PUT /api/v1/scopes/{scope_id}/members/{member_id}": Reach(OWNERS, json={"role": "student"}),
    "DELETE /api/v1/scopes/{scope_id}/members/{member_id}": Reach(OWNERS),
    "POST /api/v1/scopes/{scope_id}/leave": Reach({"others": 404, "student": MAY, "manager": MAY, "suspended": MAY}),
    "POST /api/v1/scopes/{scope_id}/transfer": Reach(OWNERS, json={"member_id": "{member_id}"}),
    "GET /api/v1/scopes/{scope_id}/invites": Reach(MANAGERS),
    "GET /api/v1/scopes/{scope_id}/invites?pending=true": Reach(MANAGERS),
    "POST /api/v1/scopes/{scope_id}/invites": Reach(MANAGERS, json={"role": "student"}),
    "POST /api/v1/scopes/{scope_id}/invites/{invite_id}/resend": Reach(MANAGERS, json={}),
    "DELETE /api/v1/scopes/{scope_id}/invites/{invite_id}": Reach(MANAGERS),
    "GET /api/v1/invites/{code}": Open("the code"),
    "POST /api/v1/invites/{code}/redeem": Reach(at={"code": NO_CODE}),
    "GET /api/v1/models": Own(),
    "POST /api/v1/documents/": Own(files={"file": ("mine.txt", b"some words", "text/plain")}),
    "GET /api/v1/documents/": Own(),
    "GET /api/v1/documents/types": Own(),
    "GET /api/v1/documents/search": Reach(200, query={"q": "{mark}", "document_ids": "{document_id}"}),
    "GET /api/v1/documents/{document_id}": OWN,
    "GET /api/v1/documents/{document_id}/pages": OWN,
    "GET /api/v1/documents/{document_id}/pages/{number}": Reach(at={"number": "1"}),
    "GET /api/v1/documents/{document_id}/chunks": OWN,
    "GET /api/v1/documents/{document_id}/file": OWN,
    "POST /api/v1/documents/{document_id}/retry": OWN,
    "DELETE /api/v1/documents/{document_id}": OWN,
    "GET /api/v1/runs/{run_id}": OWN,
    "GET /api/v1/runs/{run_id}/events": OWN,
    "POST /api/v1/runs/{run_id}/cancel": OWN,
    "POST /api/v1/chat/sessions/": Own(json={}),
    "GET /api/v1/chat/sessions/": Own(query={"q": "{mark}"}),
    "GET /api/v1/chat/sessions/{session_id}": OWN,
    "PUT /api/v1/chat/sessions/{session_id}": Reach(json={"title": "mine"}),
    "DELETE /api/v1/chat/sessions/{session_id}": OWN,
    "GET /api/v1/chat/sessions/{session_id}/messages": OWN,
    "POST /api/v1/chat/sessions/{session_id}/messages": Reach(json={"text": "What was said here?"}),
    "POST /api/v1/chat/sessions/{session_id}/messages/{message_id}/retry": OWN,
    "POST /api/v1/chat/streaming": Reach(
        json={"question": "What is in it?", "session_id": "{session_id}", "document_ids": ["{document_id}"]}
    ),
    "GET /api/v1/audit/": Reach(MANAGERS, query={"scope_id": "{scope_id}", "q": "{mark}"}),
    "GET /api/v1/audit/export": Reach(MANAGERS, query={"scope_id": "{scope_id}"}),
    "GET /api/v1/scopes/{scope_id}/scim-tokens": Reach(OWNERS),
    "POST /api/v1/scopes/{scope_id}/scim-tokens": Reach(OWNERS, json={"name": "mine"}),
    "DELETE /api/v1/scopes/{scope_id}/scim-tokens/{token_id}": Reach(OWNERS),
    "GET /api/v1/scopes/{scope_id}/scim-groups": Reach(OWNERS),
    "PUT /api/v1/scopes/{scope_id}/scim-groups/{group_id}": Reach(OWNERS, json={"scope_id": None, "role": None}),
    "DELETE /api/v1/scopes/{scope_id}/scim/v2/{path}": SCIM,
    "GET /api/v1/scopes/{scope_id}/scim/v2/{path}": SCIM,
    "PATCH /api/v1/scopes/{scope_id}/scim/v2/{path}": SCIM,
    "POST /api/v1/scopes/{scope_id}/scim/v2/{path}": SCIM,
    "PUT /api/v1/scopes/{scope_id}/scim/v2/{path}": SCIM,
    "GET /api/v1/usage/": Reach(MANAGERS, query={"scope_id": "{scope_id}"}),
    "GET /api/v1/users/me/usage": Own(),
    "GET /api/v1/users/me/budgets": Own(),
    "GET /api/v1/budgets/": Reach(MANAGERS, query={"subject_kind": "scope", "subject_id": "{scope_id}"}),
    "POST /api/v1/budgets/": Reach(
        OWNERS,
        json={"subject_kind": "scope", "subject_id": "{scope_id}", "unit": "money", "limit": 1, "window": "day"},
    ),
    "PUT /api/v1/budgets/{budget_id}": Reach(BUDGETS, json={"limit": 1}),
    "DELETE /api/v1/budgets/{budget_id}": Reach(BUDGETS),
    "GET /health": Open("nothing; it says how the parts are"),
    "GET /health/live": Open("nothing"),
    "GET /health/ready": Open("nothing"),
    "GET /metrics": Open("nothing; numbers of the whole house"),
}

type Forge = Callable[[Mapping[str, Mapping[str, Any]], UUID], object]
"""Makes a payload from the victim's things and an attacker's account."""

JOBS: dict[str, Forge] = {
    "accounts.write_letter": lambda things, _: LetterWanted("password_reset", things["user.accounts"]["email"], None),
    "files.discard": lambda things, _: DiscardObject(things["user.files"]["key"]),
    "knowledge.ingest": lambda things, who: IngestDocument(things["user.documents"]["id"], who),
    "runs.perform": lambda things, _: RunOrder(things["user.runs"]["id"]),
    "usage.forget_subject": lambda _, who: ForgetSubject(who),
}
"""Every job: what it is given of the victim's in an attacker's name, which must change nothing."""

REACTIONS: dict[str, Forge] = {
    "accounts.deleted": lambda _, who: AccountDeleted(who),
    "organisations.member_joined": lambda things, who: MemberJoined(
        things["partner.scopes"]["id"], tuple(things["partner.scopes"]["path"]), who, "student"
    ),
    "organisations.member_left": lambda things, who: MemberLeft(
        things["partner.scopes"]["id"], tuple(things["partner.scopes"]["path"]), who
    ),
    "organisations.scope_deleted": lambda things, who: ScopeDeleted(who, (*things["partner.scopes"]["path"], who)),
    "usage.calls_corrected": lambda _, who: CallsCorrected(who),
    "usage.budget_reached": lambda things, who: BudgetReached(
        budget_id=things["partner.budgets"]["id"],
        subject_kind="scope",
        subject_id=things["partner.scopes"]["id"],
        path=(who,),
        unit="tokens",
        period="day",
        amount=1,
        spent=1,
        starts_at=now(),
        ends_at=None,
        percent=100,
    ),
    "runs.ended": lambda things, who: RunEnded(
        new_id(),
        who,
        "finished",
        {"session_id": str(things["user.sessions"]["id"]), "answer_id": str(things["user.messages"]["id"])},
    ),
}
"""Every event that somebody reacts to: told of an attacker, naming things of the victim's."""
