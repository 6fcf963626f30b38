"""How fast documents become searchable, stage by stage.

`./dev bench ingest [--pages N]`: a text, a PDF and a Word file of made-up Korean and English pages, each through
upload, reading (in its own process), chunking, embedding by the built-in model, and indexing. Nothing is remembered
between runs.
"""

import argparse
import asyncio
import io
import random
import time
from collections.abc import Awaitable

from docx import Document as WordDocument
from ground import Ground, open_ground
from machine import machine_line, table
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from sqlalchemy import text

from madang.features.knowledge.service import ingest
from madang.features.knowledge.service.ingest import Work
from madang.features.knowledge.tables import Document

FONT = "HYSMyeongJo-Medium"
WHO = ("관리자는", "학생은", "강사는", "사용자는", "회사는", "the operator", "every member", "a visitor")
WHAT = ("신청서를", "문서를", "환불 규정을", "수업 자료를", "결제 내역을", "the report", "an invoice", "the schedule")
WHEN = ("매주 월요일에", "계약 후 7일 안에", "학기가 끝나면", "요청을 받은 날에", "before noon", "within thirty days")
DOES = (
    "제출한다.",
    "확인하고 보관한다.",
    "다시 작성한다.",
    "담당자에게 보낸다.",
    "reviews and signs it.",
    "archives it.",
)


def sentences(dice: random.Random, count: int) -> list[str]:
    """Made-up sentences; numbers keep them apart."""
    return [
        " ".join(
            (dice.choice(WHEN), dice.choice(WHO), f"{dice.randint(1, 9999)}호", dice.choice(WHAT), dice.choice(DOES))
        )
        for _ in range(count)
    ]


def as_text(pages: list[list[str]]) -> bytes:
    """A plain text."""
    return "\n\n".join(" ".join(page) for page in pages).encode()


def as_pdf(pages: list[list[str]]) -> bytes:
    """A PDF with a sentence a line."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    made = io.BytesIO()
    canvas = Canvas(made)
    for page in pages:
        canvas.setFont(FONT, 10)
        for row, line in enumerate(page):
            canvas.drawString(40, 800 - 18 * row, line)
        canvas.showPage()
    canvas.save()
    return made.getvalue()


def as_word(pages: list[list[str]]) -> bytes:
    """A Word file with a paragraph a page."""
    document = WordDocument()
    for page in pages:
        document.add_paragraph(" ".join(page))
    made = io.BytesIO()
    document.save(made)
    return made.getvalue()


async def timed[T](work: Awaitable[T]) -> tuple[float, T]:
    """Seconds, and what came of it."""
    begun = time.perf_counter()
    done = await work
    return time.perf_counter() - begun, done


async def one(ground: Ground, name: str, content: bytes) -> list[str]:
    """Take one file through every stage; a line of the table."""
    upload, document_id = await timed(ground.upload(name, content))
    work = Work(ground.house, ground.who, document_id)
    await ingest.begin(work)
    reading, _ = await timed(ingest.read(work))
    chunking, _ = await timed(ingest.chunk(work))
    embedding, _ = await timed(ingest.embed_chunks(work))
    indexing, _ = await timed(ingest.publish(work))
    async with ground.house.db.transaction(ground.who) as tx:
        row = await tx.get_one(Document, document_id)
    size = len(content) / 1e6
    total = upload + reading + chunking + embedding + indexing
    return [
        *(name, f"{size:.2f}", str(row.pages), str(row.chunks), f"{size / upload:.1f}"),
        *(f"{row.pages / reading:.0f}", f"{size / reading:.2f}", f"{row.chunks / chunking:.0f}"),
        *(f"{row.chunks / embedding:.1f}", f"{row.chunks / indexing:.0f}", f"{total:.1f}"),
    ]


async def footprint(ground: Ground) -> str:
    """What a passage weighs in the database."""
    sizes = """
        SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'user' AND c.relname IN ('document_pages', 'document_chunks', 'postings', 'vectors_1')
    """
    async with ground.house.db.transaction() as tx:
        chunks = await tx.scalar(text('SELECT count(*) FROM "user".document_chunks')) or 1
        found = await tx.execute(text(sizes))
        parts = [f"{name} {weight / chunks / 1000:.1f} kB" for name, weight in sorted(found.all())]
    return f"A passage weighs, indexes included: {', '.join(parts)}."


async def run(pages: int) -> None:
    """All three files."""
    print(machine_line())
    dice = random.Random(7)
    head = (
        *("file", "MB", "pages", "passages", "upload MB/s", "reading pages/s", "reading MB/s"),
        *("chunking passages/s", "embedding passages/s", "indexing passages/s", "all s"),
    )
    rows: list[list[str]] = []
    async with open_ground() as ground:
        for name, make in (("pages.txt", as_text), ("pages.pdf", as_pdf), ("pages.docx", as_word)):
            rows.append(await one(ground, name, make([sentences(dice, 16) for _ in range(pages)])))
        print("\n" + table(head, rows) + "\n")
        print(await footprint(ground))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=40, help="Pages of each file.")
    asyncio.run(run(parser.parse_args().pages))
