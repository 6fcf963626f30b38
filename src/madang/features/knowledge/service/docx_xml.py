"""Small things about the XML of Word files."""

from typing import TYPE_CHECKING

from lxml import etree

if TYPE_CHECKING:
    type Node = etree._Element  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # the only name that lxml's nodes have
else:
    Node = object

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
M = "http://schemas.openxmlformats.org/officeDocument/2006/math"


def w(name: str) -> str:
    """The name of a WordprocessingML element or attribute as lxml writes it."""
    return f"{{{W}}}{name}"


def text_of(node: Node, *, deleted: bool = False) -> str:
    """The text in an element, without what was deleted unless asked."""
    tags = (w("t"), w("delText")) if deleted else (w("t"),)
    return "".join(part.text or "" for part in node.iter(*tags))


def plain_run(text: str) -> Node:
    """A run that says the text."""
    run = etree.Element(w("r"))
    inner = etree.SubElement(run, w("t"))
    inner.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    inner.text = text
    return run
