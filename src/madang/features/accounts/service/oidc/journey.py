"""Signing in at a provider, and linking one's account there to one's account here."""

from dataclasses import dataclass, field

from madang.features.accounts import settings
from madang.features.accounts.contracts import Device, SignIn
from madang.features.accounts.service import signing_in, throttle
from madang.features.accounts.service.desk import open_desk
from madang.features.accounts.service.oidc import flows, granting, identities, providers
from madang.features.accounts.service.oidc.flows import Flow
from madang.features.accounts.service.oidc.id_tokens import Claims
from madang.features.accounts.settings import OidcProvider
from madang.kernel.auth import Principal
from madang.kernel.errors import Forbidden, NotFound
from madang.kernel.house import House

LONGEST_CODE = 4096


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes to sign in, and the cookie that it takes along."""

    url: str
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the browser brought back from a provider."""

    state: str | None = None
    code: str | None = field(default=None, repr=False)
    issuer: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """How it ended: a new sign-in, or None where an identity was linked; and the page that was asked for."""

    signed_in: SignIn | None
    return_to: str | None


def chosen(name: str) -> OidcProvider:
    """The provider of this name; raises `NotFound`."""
    for provider in settings.load_oidc().providers:
        if provider.name == name:
            return provider
    raise NotFound("oidc_provider_not_found", "There is no such sign-in provider here.")


async def depart(
    house: House,
    name: str,
    redirect_uri: str,
    return_to: str | None,
    *,
    link_to: Principal | None = None,
    asks_whom: bool = False,
) -> Departure:
    """Begin to sign in, or to link the account of a signed-in person; with `asks_whom` they choose one there.

    Raises `NotFound`, `BadGateway`, and `Forbidden` (sign_in_needed) when an API key or a job wants to link.
    """
    provider = await providers.provider_for(house, chosen(name))
    if link_to is None:
        flow = flows.begin(house, name, return_to)
    elif link_to.login_id is None:
        raise Forbidden("sign_in_needed", "Only a signed-in person can link an account. Sign in and try again.")
    else:
        flow = flows.begin(house, name, return_to, account_id=link_to.account_id, login_id=link_to.login_id)
    made = flows.secrets_of(house, flow)
    url = await providers.authorization_url(provider, made, redirect_uri, asks_whom=asks_whom)
    return Departure(url, flows.seal(house, flow))


def resume(house: House, name: str, cookie: str | None, state: str | None) -> Flow:
    """The way that this browser is on; raises `BadRequest` (oidc_state_invalid) and `NotFound`."""
    chosen(name)
    return flows.open_sealed(house, cookie, name, state)


async def arrive(house: House, flow: Flow, answer: Answer, redirect_uri: str, device: Device) -> Arrival:
    """Finish a way: check the provider's answer, and sign in or link.

    Raises `Unauthorized`, `Forbidden`, `Conflict`, `BadGateway`, `BadRequest` and `TooMany`.
    """
    async with throttle.attempt(house, throttle.counters(device.address)):
        claims = await _claims(house, flow, answer, redirect_uri)
        provider = chosen(flow.provider)
        if flow.account_id is not None:
            await _link(house, provider, flow, claims)
            return Arrival(None, flow.return_to)
        return Arrival(await _sign_in(house, provider, claims, device), flow.return_to)


async def _claims(house: House, flow: Flow, answer: Answer, redirect_uri: str) -> Claims:
    await flows.use_up(house, flow)
    provider = await providers.provider_for(house, chosen(flow.provider))
    await providers.check_issuer(provider, answer.issuer)
    if answer.error == "access_denied":
        raise Forbidden("oidc_denied", "The sign-in was cancelled at the provider. Begin it again if you want to.")
    if answer.error is not None or not answer.code or len(answer.code) > LONGEST_CODE:
        said = (answer.error or "")[:80]
        raise provider.failed(f"it answered with an error ({said})" if said else "it gave no code")
    return await providers.redeem(provider, answer.code, flows.secrets_of(house, flow), redirect_uri)


async def _sign_in(house: House, provider: OidcProvider, claims: Claims, device: Device) -> SignIn:
    desk = await house.resource(open_desk)
    found = identities.person(provider, claims)
    async with house.db.transaction() as tx:
        row, identity = await identities.account_of(house, tx, provider, found)
        await granting.welcome(house, tx, row, provider, found.email)
        await granting.apply(house, tx, row, identity, provider, granting.groups(provider, claims))
        signed_in = await signing_in.begin(tx, desk, row, device, f"oidc:{provider.name}")
    desk.forget_account(row.id)
    return signed_in


async def _link(house: House, provider: OidcProvider, flow: Flow, claims: Claims) -> None:
    if flow.account_id is None or flow.login_id is None:
        raise flows.state_invalid()
    async with house.db.transaction() as tx:
        found = identities.person(provider, claims)
        await identities.link(house, tx, provider, found, flow.account_id, flow.login_id)
