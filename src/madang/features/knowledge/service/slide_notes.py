"""What the speaker of each slide has noted. xberg takes the first notes for the first slide's, whoever's they are."""

import io
import posixpath
import zipfile
from collections.abc import Iterator

from lxml import etree

from madang.features.knowledge.service.docx_xml import Node

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_PRESENTATION = "ppt/presentation.xml"


def notes_of(content: bytes) -> list[str]:
    """The notes of every slide in the order of the slides, "" where there are none; empty for a damaged file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            slides = _related(archive, _PRESENTATION)
            order = [one.get(f"{{{_OFFICE}}}id", "") for one in _parse(archive, _PRESENTATION).iter(f"{_P}sldId")]
            return ["\n".join(_notes(archive, slides[one][1])) for one in order if one in slides]
    except (KeyError, OSError, ValueError, zipfile.BadZipFile, etree.XMLSyntaxError, NotImplementedError):
        return []


def _notes(archive: zipfile.ZipFile, slide: str) -> Iterator[str]:
    for kind, target in _related(archive, slide).values():
        if not kind.endswith("/notesSlide"):
            continue
        for shape in _parse(archive, target).iter(f"{_P}sp"):
            place = next(shape.iter(f"{_P}ph"), None)
            if place is not None and place.get("type") == "body":
                for paragraph in shape.iter(f"{_A}p"):
                    yield "".join(part.text or "" for part in paragraph.iter(f"{_A}t"))


def _related(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """Kind and path of what a part is related to, by the relation's id."""
    folder, name = posixpath.split(part)
    path = f"{folder}/_rels/{name}.rels"
    if path not in archive.namelist():
        return {}
    found: dict[str, tuple[str, str]] = {}
    for one in _parse(archive, path):
        target = posixpath.normpath(posixpath.join("/" + folder, one.get("Target", ""))).lstrip("/")
        found[one.get("Id", "")] = (one.get("Type", ""), target)
    return found


def _parse(archive: zipfile.ZipFile, path: str) -> Node:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    return etree.fromstring(archive.read(path), parser)
