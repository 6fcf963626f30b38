"""Where the pages of a Word file begin: only where the file says so.

Word writes down where a page began when it last drew the document, and where its writer wanted one to begin. A page
begins before the paragraph or the row in which the mark stands ahead of any text, and after it otherwise, so that no
sentence is cut in two. A drawn mark right behind a wanted one is the same page.
"""

import copy

from lxml import etree

from madang.features.knowledge.service.docx_xml import Node, plain_run, w

MARK = "\ue003"


def mark(root: Node) -> bool:
    """Put `MARK` in a paragraph of its own where a page begins; whether there was any."""
    body = root.find(w("body"))
    if body is None:
        return False
    written = True
    marked = False
    for block in list(body):
        if block.tag == w("tbl"):
            marked |= _mark_table(block, fresh=not written)
            written = True
            continue
        before, after, written = _breaks(block, written=written)
        for _ in range(before):
            block.addprevious(_page())
        for _ in range(after):
            block.addnext(_page())
        marked |= before + after > 0
    for node in [*root.iter(w("lastRenderedPageBreak")), *root.iter(w("pageBreakBefore")), *_wanted(root)]:
        parent = node.getparent()
        if parent is not None:
            parent.remove(node)
    return marked


def _breaks(block: Node, *, written: bool) -> tuple[int, int, bool]:
    """How many pages begin before and after the block, and whether anything is written on the last of them."""
    before = after = 0
    said = False
    for node in block.iter():
        if _is_break(node) and (written or node.tag == w("br")):
            before, after = (before, after + 1) if said else (before + 1, after)
            written = False
        elif node.tag in {w("t"), w("drawing"), w("pict")} and (node.tag != w("t") or (node.text or "").strip()):
            said = written = True
    if block.tag == w("p") and _ends_section(block):
        after, written = after + 1, False
    return before, after, written


def _is_break(node: Node) -> bool:
    if node.tag == w("br"):
        return node.get(w("type")) == "page"
    if node.tag == w("pageBreakBefore"):
        return node.get(w("val")) not in {"0", "false", "off"}
    return node.tag == w("lastRenderedPageBreak")


def _ends_section(paragraph: Node) -> bool:
    """Whether a section ends with the paragraph, and the next begins on a page of its own."""
    section = paragraph.find(f"{w('pPr')}/{w('sectPr')}")
    kind = section.find(w("type")) if section is not None else None
    return section is not None and (kind is None or kind.get(w("val")) not in {"continuous", "nextColumn"})


def _mark_table(table: Node, *, fresh: bool) -> bool:
    """Cut a table where its rows go on to another page, each part with the names of its columns."""
    rows = table.findall(w("tr"))
    marked = False
    part = table
    for row in rows:
        first = row is rows[0]
        if next(row.iter(w("lastRenderedPageBreak")), None) is not None and not (first and fresh):
            if first:
                table.addprevious(_page())
            else:
                part = _continue(part, rows[0])
            marked = True
        if part is not table:
            part.append(row)
    return marked


def _continue(table: Node, head: Node) -> Node:
    """A new table behind this one, on a new page, that begins with the same names of columns."""
    following = etree.Element(w("tbl"))
    for name in ("tblPr", "tblGrid"):
        if (found := table.find(w(name))) is not None:
            following.append(copy.deepcopy(found))
    following.append(copy.deepcopy(head))
    page = _page()
    table.addnext(page)
    page.addnext(following)
    return following


def _wanted(root: Node) -> list[Node]:
    return [node for node in root.iter(w("br")) if node.get(w("type")) == "page"]


def _page() -> Node:
    paragraph = etree.Element(w("p"))
    paragraph.append(plain_run(MARK))
    return paragraph
