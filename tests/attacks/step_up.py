"""The table of step-up: which ways in write a credential or hand over power, and why the others do neither.

A new route that changes something needs an entry; the test says so when there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Proved:
    """A way in for who proved themselves in this sign-in a short while ago; otherwise it says one of these `codes`."""

    json: Any = None
    as_supervisor: bool = False
    codes: tuple[str, ...] = ("confirmation_needed",)
    at: Mapping[str, str] = field(default_factory=dict)


BY_PASSWORD = ("password_needed",)
"""These ask for the password itself, in the same request."""

PROVED: dict[str, Proved] = {
    "POST /api/v1/auth/confirm": Proved({}, codes=BY_PASSWORD),
    "POST /api/v1/auth/invites": Proved({}, as_supervisor=True),
    "PUT /api/v1/users/me/email": Proved({"email": "elsewhere@example.org"}, codes=BY_PASSWORD),
    "PUT /api/v1/users/me/password": Proved({"new_password": "another courtyard 8"}, codes=BY_PASSWORD),
    "POST /api/v1/users/me/keys": Proved({"name": "endless", "permissions": ["chat:write"]}),
    "POST /api/v1/users/me/totp": Proved({}, codes=("password_needed", "validation_failed")),
    "DELETE /api/v1/users/me/totp": Proved({}, codes=("password_needed", "validation_failed")),
    "POST /api/v1/users/me/recovery-codes": Proved({}, codes=("password_needed", "validation_failed")),
    "POST /api/v1/users/me/passkeys/options": Proved({}, codes=BY_PASSWORD),
    "DELETE /api/v1/users/me/passkeys/{passkey_id}": Proved(),
    "POST /api/v1/users/me/identities": Proved({"provider": "nowhere"}),
    "DELETE /api/v1/users/me/identities/{identity_id}": Proved(),
    "PUT /api/v1/users/{user_id}": Proved({"name": "the same", "is_disabled": True}, as_supervisor=True),
    "DELETE /api/v1/users/{user_id}": Proved(as_supervisor=True),
    "POST /api/v1/users/{user_id}/restore": Proved(as_supervisor=True),
    "PUT /api/v1/users/{user_id}/role": Proved({"role": "supervisor"}, as_supervisor=True, codes=BY_PASSWORD),
    "DELETE /api/v1/users/{user_id}/second-factors": Proved(as_supervisor=True, codes=BY_PASSWORD),
    "PUT /api/v1/scopes/{scope_id}/members/{member_id}": Proved({"role": "admin"}),
    "POST /api/v1/scopes/{scope_id}/transfer": Proved({"member_id": "{member_id}"}),
    "POST /api/v1/scopes/{scope_id}/invites": Proved({"role": "admin"}),
    "POST /api/v1/scopes/{scope_id}/scim-tokens": Proved({"name": "mine"}),
    "PUT /api/v1/scopes/{scope_id}/scim-groups/{group_id}": Proved({"scope_id": None, "role": None}),
}

VISITORS = "whoever uses it is not signed in: it takes a secret of its own"
ENDS = "it only ends a way in"
OWN_THINGS = "it writes what is one's own and opens nothing"
SHAPE = "it names, makes, halts or removes a place, and gives nobody a role"

ORDINARY: dict[str, str] = {
    "POST /api/v1/auth/register": VISITORS,
    "POST /api/v1/auth/login": VISITORS,
    "POST /api/v1/auth/login/second-factor": VISITORS,
    "POST /api/v1/auth/verify-email/request": VISITORS,
    "POST /api/v1/auth/verify-email": VISITORS,
    "POST /api/v1/auth/password/forgot": VISITORS,
    "POST /api/v1/auth/password/reset": VISITORS,
    "POST /api/v1/auth/refresh": VISITORS,
    "POST /api/v1/auth/logout": VISITORS,
    "POST /api/v1/auth/restore": VISITORS,
    "POST /api/v1/auth/passkey/options": VISITORS,
    "POST /api/v1/auth/passkey": VISITORS,
    "DELETE /api/v1/auth/invites/{invite_id}": ENDS,
    "DELETE /api/v1/auth/sessions/": ENDS,
    "DELETE /api/v1/auth/sessions/{login_id}": ENDS,
    "DELETE /api/v1/users/me/keys/{key_id}": ENDS,
    "DELETE /api/v1/users/{user_id}/sessions": ENDS,
    "DELETE /api/v1/scopes/{scope_id}/invites/{invite_id}": ENDS,
    "DELETE /api/v1/scopes/{scope_id}/scim-tokens/{token_id}": ENDS,
    "DELETE /api/v1/scopes/{scope_id}/members/{member_id}": ENDS,
    "POST /api/v1/scopes/{scope_id}/leave": ENDS,
    "POST /api/v1/users/me/totp/confirm": "it takes a code of the secret that the password was given for",
    "POST /api/v1/users/me/passkeys": "it takes the signature of a challenge that the password was given for",
    "PUT /api/v1/users/me/passkeys/{passkey_id}": "it only names one",
    "POST /api/v1/users/{user_id}/password-letter": "the link goes to the owner of the address",
    "PUT /api/v1/users/me/preferences": OWN_THINGS,
    "POST /api/v1/organisations/": "what is made has nobody and nothing in it",
    "PUT /api/v1/scopes/{scope_id}": SHAPE,
    "DELETE /api/v1/scopes/{scope_id}": SHAPE,
    "POST /api/v1/scopes/{scope_id}/restore": SHAPE,
    "POST /api/v1/scopes/{scope_id}/suspend": SHAPE,
    "POST /api/v1/scopes/{scope_id}/resume": SHAPE,
    "POST /api/v1/scopes/{scope_id}/children": SHAPE,
    "POST /api/v1/scopes/{scope_id}/invites/{invite_id}/resend": "the role stands in a code that somebody proved for",
    "POST /api/v1/invites/{code}/redeem": "the code gives the role, and whoever made it proved themselves",
    "POST /api/v1/documents/": OWN_THINGS,
    "POST /api/v1/documents/{document_id}/retry": OWN_THINGS,
    "DELETE /api/v1/documents/{document_id}": OWN_THINGS,
    "POST /api/v1/runs/{run_id}/cancel": OWN_THINGS,
    "POST /api/v1/chat/sessions/": OWN_THINGS,
    "PUT /api/v1/chat/sessions/{session_id}": OWN_THINGS,
    "DELETE /api/v1/chat/sessions/{session_id}": OWN_THINGS,
    "POST /api/v1/chat/sessions/{session_id}/messages": OWN_THINGS,
    "POST /api/v1/chat/sessions/{session_id}/messages/{message_id}/retry": OWN_THINGS,
    "POST /api/v1/chat/streaming": OWN_THINGS,
    "POST /api/v1/budgets/": "money, and no way in; every change stands in the audit log",
    "PUT /api/v1/budgets/{budget_id}": "money, and no way in; every change stands in the audit log",
    "DELETE /api/v1/budgets/{budget_id}": "money, and no way in; every change stands in the audit log",
    "DELETE /api/v1/scopes/{scope_id}/scim/v2/{path}": "a directory's token, which no person holds signed in",
    "PATCH /api/v1/scopes/{scope_id}/scim/v2/{path}": "a directory's token, which no person holds signed in",
    "POST /api/v1/scopes/{scope_id}/scim/v2/{path}": "a directory's token, which no person holds signed in",
    "PUT /api/v1/scopes/{scope_id}/scim/v2/{path}": "a directory's token, which no person holds signed in",
}
