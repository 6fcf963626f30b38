"""What the first person to register must know, who becomes the supervisor: whoever only finds the address does not."""

import base64
import hmac

from madang.kernel.settings import Settings

PATH = "/setup"
"""Where the web app takes the token, after a `#`: no proxy or log on the way ever sees it."""


def derive(secret_key: str) -> str:
    """The token of a server with this secret: 32 characters of A-Z a-z 0-9 - _ (192 bits)."""
    return base64.urlsafe_b64encode(hmac.digest(secret_key.encode(), b"madang set-up token", "sha256")[:24]).decode()


def setup_token(settings: Settings) -> str:
    """The token that the operator chose, or the one of this server's secret."""
    chosen = settings.setup_token
    return chosen.get_secret_value() if chosen else derive(settings.secret_key.get_secret_value())


def is_right(settings: Settings, given: str | None) -> bool:
    """Whether this is the token, in the same time whatever was given."""
    return hmac.compare_digest(setup_token(settings).encode(), (given or "").encode())
