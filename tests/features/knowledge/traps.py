"""More files that mean no good: what hides in PDF, in ZIP archives and in XML."""

import io
import re
import struct
import zipfile
import zlib

from tests.features.knowledge.hostile import docx, pdf, repacked


def objects(*bodies):
    """A PDF of these objects, the first of them its catalog; readers find them without a table."""
    parts = [b"%PDF-1.7\n"]
    parts += [b"%d 0 obj\n%s\nendobj\n" % (number, body) for number, body in enumerate(bodies, 1)]
    return b"".join(parts) + b"trailer<</Root 1 0 R/Size %d>>\n%%%%EOF" % (len(bodies) + 1)


FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def stream(data, more=b""):
    return b"<</Length %d%s>>stream\n%s\nendstream" % (len(data), more, data)


def page_pdf(page=b"", catalog=b"", content=b"BT /F 12 Tf 10 10 Td (Courtyard) Tj ET", more=b"", extra=()):
    """One page that says Courtyard, with something more in its page, its catalog or its content stream."""
    return objects(
        b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog,
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>>>/Contents 4 0 R%s>>"
        % (page or b"/MediaBox[0 0 200 200]"),
        stream(content, more),
        FONT,
        *(extra or (stream(b"/X Do", b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 6 0 R>>>>"),)),
    )


def script_pdf():
    return page_pdf(catalog=b"/OpenAction<</S/JavaScript/JS(while(true){app.alert(1)})>>/AA<</O<</S/Launch/F(sh)>>>>")


def huge_box_pdf():
    return page_pdf(page=b"/MediaBox[0 0 99999999999 99999999999]/UserUnit 75000")


def self_drawing_pdf():
    """A form that draws itself."""
    return page_pdf(content=b"BT /F 12 Tf 10 10 Td (Courtyard) Tj ET /X Do")


def deep_tree_pdf(depth=20_000):
    """Pages within pages within pages."""
    nodes = [b"<</Type/Pages/Kids[%d 0 R]/Count 1>>" % (number + 3) for number in range(depth)]
    return objects(b"<</Type/Catalog/Pages 2 0 R>>", *nodes, b"<</Type/Page/MediaBox[0 0 9 9]>>")


def deep_array_pdf():
    return page_pdf(page=b"/MediaBox[0 0 9 9]/Junk " + b"[" * 100_000)


def inflating_pdf():
    """A content stream that unpacks to three hundred megabytes."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(300)) + packer.flush()
    return page_pdf(content=packed, more=b"/Filter/FlateDecode")


def polyglot():
    """A PDF that is a ZIP archive and a web page too."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.html", "<script>alert(1)</script>")
    return pdf(["Courtyard"]) + b"<html><script>alert(1)</script></html>" + made.getvalue()


def xml_docx(prologue, body):
    document = (
        f'<?xml version="1.0"?>{prologue}<w:document xmlns:w='
        '"http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        f"<w:body>{body}</w:body></w:document>"
    )
    return repacked(docx("x"), "word/document.xml", document.encode())


def paragraph(text):
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def external_entity_docx():
    """Asks the reader to put a file of its host, and a page of the network, into the text."""
    outside = '<!ENTITY a SYSTEM "file:///etc/passwd"><!ENTITY b SYSTEM "http://127.0.0.1:9/x">'
    return xml_docx(f"<!DOCTYPE d [{outside}]>", paragraph("Courtyard &a;&b;"))


def external_dtd_docx():
    return xml_docx('<!DOCTYPE d SYSTEM "file:///etc/passwd">', paragraph("Courtyard"))


def wide_table_docx():
    row = '<w:tr><w:tc><w:tcPr><w:gridSpan w:val="2000000000"/></w:tcPr><w:p/></w:tc></w:tr>'
    return xml_docx("", f"<w:tbl><w:tblPr/><w:tblGrid/>{row}</w:tbl>")


def deep_tables_docx(depth=2_000):
    opening = "<w:tbl><w:tblPr/><w:tblGrid/><w:tr><w:tc>"
    return xml_docx("", opening * depth + "<w:p/>" + "</w:tc></w:tr></w:tbl>" * depth)


def lying_docx():
    """Says in both its tables that the document is a hundred bytes; it unpacks to twenty million."""
    content = bytearray(repacked(docx("x"), "word/document.xml", b"<x>" + b" " * 20_000_000))
    for match in re.finditer(rb"PK\x01\x02|PK\x03\x04", bytes(content)):
        size, name = (24, 46) if match.group() == b"PK\x01\x02" else (22, 30)
        at = match.start()
        if content[at + name :].startswith(b"word/document.xml"):
            content[at + size : at + size + 4] = struct.pack("<L", 100)
    return bytes(content)


def nested_docx():
    """A bomb in a bomb: nobody has reason to unpack the inner one."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 100_000_000)
    return added(docx("Courtyard"), "word/media/inner.zip", inner.getvalue())


def climbing_docx():
    return added(docx("Courtyard"), "../../../../tmp/madang-climbed", b"x")


def added(content, name, member):
    """An archive with one more member."""
    made = io.BytesIO(content)
    with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, member)
    return made.getvalue()


def crowded_archive(members=900_000):
    """A table of contents with nothing behind it, forty megabytes of it."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, *[0] * 6) + b"a"
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65_535, 65_535, len(entry) * members, 4, 0)
    return b"PK\x03\x04" + entry * members + end
