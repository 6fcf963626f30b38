"""For which addresses a provider's word counts: one rule, asked before linking, making and welcoming an account.

A provider is an authority for the domains that the operator wrote down for it, and for no other address, whatever it
says of itself. One that speaks for an organisation moreover reaches nobody who does not belong to that organisation.
"""

from madang.features.accounts import settings
from madang.features.accounts.contracts import BELONGS, EXPECTED
from madang.features.accounts.service import addresses
from madang.features.accounts.service.factors import held
from madang.features.accounts.settings import OidcProvider
from madang.features.accounts.tables import AccountRow, IdentityRow
from madang.kernel.db import Tx
from madang.kernel.house import House


def is_authoritative(provider: OidcProvider, email: str) -> bool:
    """Whether the normal address is in one of the provider's domains; never without domains."""
    return bool(email) and addresses.domain_of(email) in _domains(provider)


def may_register(provider: OidcProvider, email: str) -> bool:
    """Whether a sign-in at the provider makes an account for an address that it vouches for."""
    takes_new = settings.load_oidc().takes_new(provider)
    return takes_new and (not _domains(provider) or is_authoritative(provider, email))


async def is_expected(house: House, tx: Tx, provider: OidcProvider, email: str) -> bool:
    """Whether the organisation that the provider speaks for expects somebody with this address."""
    if provider.organisation is None or not is_authoritative(provider, email):
        return False
    for expects in house.offers.all(EXPECTED):
        if await expects(tx, provider.organisation, email):
            return True
    return False


async def refusal(house: House, tx: Tx, provider: OidcProvider, row: AccountRow, email: str) -> str | None:
    """Why an account with the address is not linked by the provider's word alone, for the log; None when it is.

    Supervisors and people with a passkey or codes of an app always link it themselves, while signed in.
    """
    if not is_authoritative(provider, email):
        return "the address is in none of the provider's email_domains"
    if row.email_verified_at is None:
        return "the account has not proved the address"
    if row.is_supervisor or await held.has_any(tx, row.id):
        return "the account supervises or has a passkey or codes of an app"
    if provider.organisation is not None and not await _reaches(house, tx, provider, row, email):
        return "the account does not belong to the provider's organisation"
    return None


def permits_supervisor(provider: OidcProvider, identity: IdentityRow) -> bool:
    """Whether a supervisor may come in by the identity.

    Whoever runs an organisation's own provider can be anybody there. So an identity of such a one lets a supervisor in
    only when they linked it themselves while signed in, or when the operator lets the provider's groups make some.
    """
    return provider.organisation is None or identity.is_confirmed or identity.made_supervisor


async def _reaches(house: House, tx: Tx, provider: OidcProvider, row: AccountRow, email: str) -> bool:
    if provider.organisation is None:
        return True
    for belongs in house.offers.all(BELONGS):
        if await belongs(tx, provider.organisation, row.id):
            return True
    return await is_expected(house, tx, provider, email)


def _domains(provider: OidcProvider) -> frozenset[str]:
    said = settings.load_oidc().domains_of(provider)
    return frozenset(addresses.domain_of(f"@{domain}") for domain in said)
