"""`/auth` and `/users`."""

from madang.features.accounts.routes import (
    auth,
    invites,
    keys,
    leaving,
    oidc,
    overseeing,
    passkeys,
    recovery,
    second_factors,
    sessions,
    users,
)

ROUTERS = (
    auth.router,
    recovery.router,
    invites.router,
    keys.router,
    sessions.router,
    sessions.password_router,
    sessions.email_router,
    second_factors.router,
    second_factors.entrance,
    passkeys.router,
    passkeys.entrance,
    users.router,
    leaving.router,
    leaving.entrance,
    overseeing.router,
    oidc.router,
    oidc.identities_router,
)
