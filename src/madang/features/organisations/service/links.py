"""The link of an invite, and that link as a picture for a wall or a slide."""

from io import BytesIO
from urllib.parse import quote


def join_url(base: str, code: str) -> str:
    """Where a code is taken, at the address that people reach this server by."""
    return f"{base.rstrip('/')}/join/{quote(code, safe='')}"


def qr_svg(url: str) -> str:
    """The link as an SVG of its own, black on white, that scales to any size."""
    import segno  # noqa: PLC0415  # only a process that shows a code pays for it

    drawn = BytesIO()
    segno.make_qr(url, error="m").save(drawn, "svg", xmldecl=False, nl=False, omitsize=True, light="#fff", border=2)
    return drawn.getvalue().decode()
