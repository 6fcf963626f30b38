"""`/organisations`, `/scopes`, `/invites` and `/users/me/memberships`."""

from madang.features.organisations.routes import invites, members, scim, scopes

ROUTERS = (
    scopes.organisations,
    scopes.router,
    members.router,
    members.mine,
    invites.router,
    invites.visitors,
    scim.router,
    scim.protocol_router,
)
