"""Word files to pages of Markdown. Runs in the reader's process only: it meets hostile files.

xberg reads them; before, the document's XML is brought into the form that a person sees: moved and hidden text is
taken out, numbers of articles and levels of headings are written down, a merged cell says in each row what it says, and
pages that the file itself tells of are marked. `docx_numbering` counts, `docx_pages` marks pages.
"""

import io
import re
import zipfile
from collections.abc import Iterator

from lxml import etree

from madang.features.knowledge.service import docx_numbering, docx_pages
from madang.features.knowledge.service.docx_xml import M, Node, plain_run, text_of, w
from madang.features.knowledge.service.extracted import Extracted, ReadingError, clean, cut
from madang.features.knowledge.service.formats_office import UNPACKED_BYTES, extract

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MAIN = re.compile(r"word/document\d*\.xml")
_FORMULA = re.compile("\ue000(\\d+)\ue001")
_FORMULAS_BEGIN = "\ue002"
_NOTE_MARKS = re.compile(r"(?:\[\^\d+\])+(\[\^\d+\])")
_NOTE_TEXT = re.compile(r"\[\^(\d+)\]:\n {4}")
_HEADING = re.compile(r"(?:heading|제목|개요)\s*([1-9])", re.IGNORECASE)
_TITLE = re.compile(r"title|제목", re.IGNORECASE)


def read(_media_type: str, content: bytes, max_pages: int) -> Extracted:
    """The document's text in the pages that it tells of, or cut by length. Raises ReadingError."""
    members = _unpack(content)
    main = next((name for name in members if _MAIN.fullmatch(name)), None)
    if main is None:
        raise ReadingError("document_corrupt")
    found = Extracted([])
    if any(name.endswith("vbaProject.bin") for name in members):
        found.note("macros_left_out")
    if any(re.fullmatch(r"word/(?:header|footer)\d*\.xml", name) and _says(members[name]) for name in members):
        found.note("repeated_lines_left_out")
    root = _parse(members[main])
    styles = _styles(members)
    paged = _prepare(root, styles, members, found)
    members[main] = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    office = extract(DOCX, _pack(members), max_pages)
    text = _with_formulas(office.content, [formula.latex for formula in office.formulas])
    found.pages = [clean(page) for page in text.split(docx_pages.MARK)] if paged else list(cut(text))
    return found


def _says(xml: bytes) -> bool:
    return bool(text_of(_parse(xml)).strip())


def _unpack(content: bytes) -> dict[str, bytes]:
    """The archive's parts but pictures, which hold no text."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if not member.filename.startswith("word/media/")]
            if sum(member.file_size for member in members) > UNPACKED_BYTES:
                raise ReadingError("document_too_large")
            return {member.filename: archive.read(member) for member in members}
    except (ReadingError, MemoryError):
        raise
    except Exception as error:
        raise ReadingError("document_corrupt") from error


def _pack(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def _parse(xml: bytes) -> Node:
    try:
        return etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ReadingError("document_corrupt") from error


def _prepare(root: Node, styles: dict[str, Node], members: dict[str, bytes], found: Extracted) -> bool:
    """Change the document's XML in place; whether it tells where its pages begin."""
    _drop(root, found)
    if "word/numbering.xml" in members:
        docx_numbering.write_down(root, _parse(members["word/numbering.xml"]), styles)
    _name_headings(root, styles)
    for table in list(root.iter(w("tbl"))):
        _repeat_merged(table)
    _set_formulas_apart(root)
    return docx_pages.mark(root)


def _drop(root: Node, found: Extracted) -> None:
    """Take out what nobody sees: hidden runs, deleted and moved text, the readings above characters."""
    deleted = [*root.iter(w("del")), *root.iter(w("moveFrom"))]
    hidden = [run for run in root.iter(w("r")) if _is_hidden(run)]
    if any(text_of(node, deleted=True) for node in deleted):
        found.note("deleted_text_left_out")
    if any(text_of(run) for run in hidden):
        found.note("hidden_text_left_out")
    for node in (*deleted, *hidden, *root.iter(w("rt"))):
        parent = node.getparent()
        if parent is not None:
            parent.remove(node)


def _is_hidden(run: Node) -> bool:
    mark = run.find(f"{w('rPr')}/{w('vanish')}")
    return mark is not None and mark.get(w("val")) not in {"0", "false", "off"}


def _styles(members: dict[str, bytes]) -> dict[str, Node]:
    if "word/styles.xml" not in members:
        return {}
    root = _parse(members["word/styles.xml"])
    return {style.get(w("styleId"), ""): style for style in root.iter(w("style"))}


def _name_headings(root: Node, styles: dict[str, Node]) -> None:
    """Write the marks of Markdown before headings, which a style, its base or the paragraph itself makes them."""
    for paragraph in root.iter(w("p")):
        level = _level(paragraph, styles)
        if level is None or not text_of(paragraph).strip():
            continue
        properties = paragraph.find(w("pPr"))
        style = properties.find(w("pStyle")) if properties is not None else None
        if properties is not None and style is not None:
            properties.remove(style)
        outline = properties.find(w("outlineLvl")) if properties is not None else None
        if properties is not None and outline is not None:
            properties.remove(outline)
        paragraph.insert(0 if properties is None else 1, plain_run("#" * min(level, 6) + " "))


def _level(paragraph: Node, styles: dict[str, Node]) -> int | None:
    """The heading's level from 1; None for other paragraphs."""
    own = paragraph.find(f"{w('pPr')}/{w('outlineLvl')}")
    if own is not None:
        return _outline(own)
    mark = paragraph.find(f"{w('pPr')}/{w('pStyle')}")
    name = mark.get(w("val"), "") if mark is not None else ""
    for style_id in _with_bases(name, styles):
        style = styles.get(style_id)
        outline = style.find(f"{w('pPr')}/{w('outlineLvl')}") if style is not None else None
        if outline is not None:
            return _outline(outline)
        label = style.find(w("name")) if style is not None else None
        called = label.get(w("val"), "") if label is not None else style_id
        if match := _HEADING.fullmatch(called):
            return int(match.group(1))
        if _TITLE.fullmatch(called):
            return 1
    return None


def _outline(node: Node) -> int | None:
    level = node.get(w("val"), "")
    return int(level) + 1 if level in set("012345678") else None


def _with_bases(name: str, styles: dict[str, Node]) -> Iterator[str]:
    seen: set[str] = set()
    while name and name not in seen:
        seen.add(name)
        yield name
        style = styles.get(name)
        base = style.find(w("basedOn")) if style is not None else None
        name = base.get(w("val"), "") if base is not None else ""


def _repeat_merged(table: Node) -> None:
    """Write what a cell merged over rows says into each of its rows."""
    above: dict[int, str] = {}
    for row in table.findall(w("tr")):
        column = 0
        for cell in row.findall(w("tc")):
            properties = cell.find(w("tcPr"))
            merge = properties.find(w("vMerge")) if properties is not None else None
            span = properties.find(w("gridSpan")) if properties is not None else None
            if merge is None:
                above.pop(column, None)
            elif merge.get(w("val")) == "restart":
                above[column] = text_of(cell)
            if merge is not None and properties is not None:
                properties.remove(merge)
                if merge.get(w("val")) != "restart":
                    _say(cell, above.get(column, ""))
            column += _width(span)


def _width(span: Node | None) -> int:
    width = span.get(w("val"), "1") if span is not None else "1"
    return int(width) if width.isascii() and width.isdecimal() and len(width) < 4 else 1


def _say(cell: Node, text: str) -> None:
    if text_of(cell).strip():
        return
    paragraph = cell.find(w("p"))
    if paragraph is None:
        paragraph = etree.SubElement(cell, w("p"))
    paragraph.append(plain_run(text))


def _set_formulas_apart(root: Node) -> None:
    """Move equations to the end, leaving their numbers: xberg would put them before their paragraph."""
    body = root.find(w("body"))
    formulas = [node for node in root.iter(f"{{{M}}}oMath") if not any(a.tag == node.tag for a in node.iterancestors())]
    if body is None or not formulas:
        return
    moved: list[Node] = []
    for number, formula in enumerate(formulas):
        parent = formula.getparent()
        if parent is None:
            continue
        run = plain_run(f"\ue000{number}\ue001")
        if formula.tail:
            run.tail, formula.tail = formula.tail, None
        outer = parent if parent.tag == f"{{{M}}}oMathPara" else formula
        holder = outer.getparent()
        if holder is None:
            continue
        holder.insert(holder.index(outer), run)
        parent.remove(formula)
        moved.append(formula)
    begin = etree.SubElement(body, w("p"))
    begin.append(plain_run(_FORMULAS_BEGIN))
    for formula in moved:
        etree.SubElement(body, w("p")).append(formula)


def _with_formulas(text: str, latex: list[str]) -> str:
    """The text with each equation, as LaTeX, where its number stands."""

    def put(match: re.Match[str]) -> str:
        number = int(match.group(1))
        return f"${latex[number].strip().strip('$').strip()}$" if number < len(latex) else ""

    body, _, _ = text.partition(_FORMULAS_BEGIN)
    return _NOTE_TEXT.sub(r"[^\1]: ", _NOTE_MARKS.sub(r"\1", _FORMULA.sub(put, body)))
