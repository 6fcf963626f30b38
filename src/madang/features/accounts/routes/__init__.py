"""`/auth` and `/users`."""

from madang.features.accounts.routes import auth, invites, users

ROUTERS = (auth.router, invites.router, users.router)
