"""Files that mean no good, and some that do."""

import io
import zipfile

from docx import Document
from pypdf import PdfReader, PdfWriter
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

FONT = "HYSMyeongJo-Medium"
pdfmetrics.registerFont(UnicodeCIDFont(FONT))


def pdf(*pages):
    """A PDF with these lines on its pages."""
    made = io.BytesIO()
    canvas = Canvas(made)
    for lines in pages:
        canvas.setFont(FONT, 12)
        for row, line in enumerate(lines):
            canvas.drawString(50, 800 - 20 * row, line)
        canvas.showPage()
    canvas.save()
    return made.getvalue()


def encrypted_pdf():
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf(["비밀"]))))
    writer.encrypt("secret", algorithm="RC4-128")
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def raw_pdf(kids, count):
    return (
        b"%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[%s]/Count %d>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%%%EOF" % (kids, count)
    )


def many_pages_pdf():
    return raw_pdf(b"3 0 R " * 10_000, 10_000)


def circular_pdf():
    return raw_pdf(b"2 0 R 2 0 R", 2)


def huge_image_pdf():
    made = pdf(["그림이 있다."])
    image = b"<</Type/XObject/Subtype/Image/Width 1000000/Height 1000000/BitsPerComponent 8/ColorSpace/DeviceRGB>>"
    return made.replace(b"/Type /Page\n", b"/Type /Page /Junk " + image + b"\n")


def docx(*blocks):
    """A Word file; a tuple (level, text) is a heading, a list of rows a table."""
    document = Document()
    for block in blocks:
        if isinstance(block, tuple):
            document.add_heading(block[1], block[0])
        elif isinstance(block, list):
            table = document.add_table(len(block), len(block[0]))
            for row, cells in enumerate(block):
                for column, value in enumerate(cells):
                    table.cell(row, column).text = value
        else:
            document.add_paragraph(block)
    made = io.BytesIO()
    document.save(made)
    return made.getvalue()


def repacked(content, name, replacement):
    """A ZIP archive with one member replaced."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            new.writestr(member, replacement if member == name else old.read(member))
    return made.getvalue()


def bomb_docx():
    return repacked(docx("x"), "word/document.xml", b"\0" * 210_000_000)


def entities_docx():
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    body = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e0 "boom">{levels}]><d>&e11;</d>'
    return repacked(docx("x"), "word/document.xml", body.encode())


def broken_docx():
    return repacked(docx("x"), "word/document.xml", b"<w:document><unclosed>")
