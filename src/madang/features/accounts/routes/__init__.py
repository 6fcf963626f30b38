"""`/auth` and `/users`."""

from madang.features.accounts.routes import auth, invites, keys, leaving, users

ROUTERS = (auth.router, invites.router, keys.router, users.router, leaving.router, leaving.entrance)
