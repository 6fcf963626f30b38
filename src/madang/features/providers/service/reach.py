"""Whether the default model's server is there."""

from typing import TYPE_CHECKING

from madang.features.providers.service.client import open_client
from madang.features.providers.service.models import chat_route

if TYPE_CHECKING:
    from madang.kernel.house import House

SERVER_ERROR = 500


async def answers(house: "House") -> bool:
    """Whether the default model's server answers its list of models. Raises `aiohttp.ClientError`, `OSError`."""
    client = await house.resource(open_client)
    route = chat_route(client.settings, None)
    async with client.session.get(route.url_of("/models"), headers=route.headers, allow_redirects=False) as response:
        return response.status < SERVER_ERROR
