"""A document becomes searchable whatever dies on the way, and nothing is done twice that was done once."""

import asyncio
import copy
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import func, select, text

from madang.features.files.service.uploads import receive_upload
from madang.features.knowledge.contracts import IngestDocument
from madang.features.knowledge.jobs import give_up
from madang.features.knowledge.service import documents, ingest, patience, search
from madang.features.knowledge.service.reading import read_document
from madang.features.knowledge.tables import Document, DocumentChunk, DocumentPage, VectorRow
from madang.features.providers.public import ModelRefused
from madang.kernel.jobs import spawn
from tests.features.knowledge import hostile
from tests.features.knowledge.library import BODY, Embedder, new_account
from tests.live import eventually


class KilledError(BaseException):
    """The worker is no more."""


class Mortal:
    """A database whose worker dies at the given transaction, before or after its commit."""

    def __init__(self, database, at, after):
        self.database, self.left, self.after = database, at, after

    @asynccontextmanager
    async def transaction(self, who=None):
        self.left -= 1
        async with self.database.transaction(who) as tx:
            yield tx
            if self.left == 0 and not self.after:
                raise KilledError
        if self.left == 0 and self.after:
            raise KilledError


async def upload(house, who, content, name="규정.txt"):
    async def stream():
        yield content

    received = await receive_upload(house, who, name, stream())
    async with house.db.transaction(who) as tx:
        return await documents.add_document(tx, who, received)


def job_of(document):
    return IngestDocument(document.id, document.account_id)


def mortal(house, at, *, after):
    doomed = copy.copy(house)
    object.__setattr__(doomed, "db", Mortal(house.db, at, after))
    return doomed


async def state(house, who, document):
    """Everything that was made of the document."""
    async with house.db.transaction(who) as tx:
        row = await tx.get(Document, document.id)
        chunks = await tx.execute(
            select(DocumentChunk.page, DocumentChunk.heading, DocumentChunk.text)
            .where(DocumentChunk.document_id == document.id)
            .order_by(DocumentChunk.ordinal)
        )
        pages = await tx.execute(select(DocumentPage.text).where(DocumentPage.document_id == document.id))
        postings = await tx.execute(
            text(
                'SELECT kind::text, term, count(*), sum(cardinality(entries)) FROM "user".postings '
                "WHERE document_id = :id GROUP BY 1, 2 ORDER BY 1, 2"
            ),
            {"id": document.id},
        )
        vectors = await tx.scalar(select(func.count()).where(VectorRow.document_id == document.id))
        return (
            (row.status, row.stage, row.progress, row.pages, row.chunks, row.words, row.grams),
            chunks.all(),
            sorted(pages.all()),
            postings.all(),
            vectors,
        )


async def test_a_document_becomes_searchable(house, embedder, monkeypatch):
    monkeypatch.setattr(ingest, "read_document", read_document)
    who = await new_account(house)
    added = await upload(house, who, BODY.encode())
    assert (added.duplicate, added.document.status, added.document.title) == (False, "queued", "규정")
    await ingest.ingest(house, job_of(added.document))
    (status, stage, progress, pages, chunks, *_), _, _, _, vectors = await state(house, who, added.document)
    assert (status, stage, progress) == ("ready", None, 1.0)
    assert pages >= 1
    assert chunks == vectors == len(embedder.texts)
    found = await search.find(house, who, "규정 4조")
    assert found[0].text.startswith("4. 4번째")
    assert found[0].document_id == added.document.id


@pytest.mark.parametrize("after", [False, True])
async def test_a_worker_may_die_at_every_transaction(house, embedder, after):
    who, short = await new_account(house), "\n\n".join(BODY.split("\n\n")[:5]).encode()
    undisturbed = await upload(house, who, short)
    await ingest.ingest(house, job_of(undisturbed.document))
    expected = await state(house, who, undisturbed.document)
    transactions = 5 + 2 * -(-expected[4] // 2) + 2
    for at in range(1, transactions + 1):
        who, embedder.texts = await new_account(house), []
        document = (await upload(house, who, short)).document
        with pytest.raises(KilledError):
            await ingest.ingest(mortal(house, at, after=after), job_of(document))
        await ingest.ingest(house, job_of(document))
        assert await state(house, who, document) == expected, at
        again = len(embedder.texts) - len(set(embedder.texts))
        assert again <= (0 if after else 2), at


async def test_doing_it_again_changes_nothing(house, embedder):
    who = await new_account(house)
    document = (await upload(house, who, BODY.encode())).document
    await ingest.ingest(house, job_of(document))
    before, embedder.texts = await state(house, who, document), []
    await ingest.ingest(house, job_of(document))
    assert await state(house, who, document) == before
    assert embedder.texts == []


@pytest.mark.parametrize("letter", ["QUJD", "яшма", "ねこ", "กขค", "가나", "🙂", "́"])
async def test_text_without_words_can_be_ingested_too(house, embedder, letter):
    who = await new_account(house)
    document = (await upload(house, who, (letter * 2000).encode())).document
    await ingest.ingest(house, job_of(document))
    assert (await state(house, who, document))[0][0] == "ready"
    await search.find(house, who, letter * 100)


async def test_the_same_text_is_embedded_once(house, embedder):
    who = await new_account(house)
    paragraph = "같은 문단이 되풀이된다. " * 45
    document = (await upload(house, who, "\n\n".join([paragraph] * 5).encode())).document
    await ingest.ingest(house, job_of(document))
    assert len(embedder.texts) == 1
    assert (await state(house, who, document))[4] == 5
    other = (await upload(house, who, "\n\n".join([paragraph, "다른 문단이다. " * 60]).encode())).document
    await ingest.ingest(house, job_of(other))
    assert len(embedder.texts) == 2


async def test_the_same_content_is_the_same_document(house, embedder):
    who, stranger = await new_account(house), await new_account(house)
    first = await upload(house, who, BODY.encode(), "하나.txt")
    again = await upload(house, who, BODY.encode(), "둘.txt")
    other = await upload(house, stranger, BODY.encode(), "하나.txt")
    assert (again.duplicate, again.document.id) == (True, first.document.id)
    assert (other.duplicate, other.document.id == first.document.id) == (False, False)


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (hostile.encrypted_pdf(), "a.pdf", "document_encrypted"),
        (hostile.pdf([]), "scan.pdf", "no_text_found"),
        (b"%PDF-1.7 garbage", "a.pdf", "document_corrupt"),
    ],
)
async def test_an_unreadable_document_says_why_and_can_be_tried_again(house, embedder, content, name, code):
    who = await new_account(house)
    document = (await upload(house, who, content, name)).document
    await ingest.ingest(house, job_of(document))
    async with house.db.transaction(who) as tx:
        failed = await tx.get(Document, document.id)
        assert (failed.status, failed.error_code, failed.stage) == ("failed", code, "reading")
        assert failed.error_message
        tried = await documents.retry_document(tx, who, document.id)
        assert (tried.status, tried.error_code) == ("queued", None)


async def shown(house, who, document):
    async with house.db.transaction(who) as tx:
        row = await tx.get(Document, document.id)
        return row.status, row.stage, row.error_code


async def test_documents_wait_for_a_model_that_is_away_and_go_on_by_themselves(house, embedder, monkeypatch):
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(patience, "LONGEST_WAIT_SECONDS", 0.02)
    who = await new_account(house)
    titles = [f"{number}.txt" for number in range(3)]
    waiting = [(await upload(house, who, (BODY + title).encode(), title)).document for title in titles]
    embedder.away = True
    work = [spawn(ingest.ingest(house, job_of(document)), "ingest") for document in waiting]

    async def all_say_so():
        said = [await shown(house, who, document) for document in waiting]
        return said.count(("processing", "embedding", "model_unreachable")) >= 1 and embedder.asked > 5

    await eventually(all_say_so, within=30)
    assert not any(task.done() for task in work)
    embedder.away = False
    await asyncio.wait_for(asyncio.gather(*work), 30)
    assert [await shown(house, who, document) for document in waiting] == [("ready", None, None)] * 3


async def test_a_document_that_is_deleted_waits_no_longer(house, embedder, monkeypatch):
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 0.01)
    who = await new_account(house)
    document = (await upload(house, who, BODY.encode())).document
    embedder.away = True
    work = spawn(ingest.ingest(house, job_of(document)), "ingest")

    async def says_so():
        return (await shown(house, who, document))[2] == "model_unreachable"

    await eventually(says_so, within=30)
    async with house.db.transaction(who) as tx:
        await documents.delete_document(tx, who, document.id)
    await asyncio.wait_for(work, 30)


async def test_a_document_that_a_model_refuses_for_good_says_so_and_keeps_what_was_done(house, embedder):
    who = await new_account(house)
    document = (await upload(house, who, BODY.encode())).document
    embedder.refuses = True
    with pytest.raises(ModelRefused) as failure:
        await ingest.ingest(house, job_of(document))
    await give_up(house, job_of(document), str(failure.value))
    assert await shown(house, who, document) == ("failed", "embedding", "model_refused")
    async with house.db.transaction(who) as tx:
        await documents.retry_document(tx, who, document.id)
    embedder.refuses = False
    await ingest.ingest(house, job_of(document))
    assert (await state(house, who, document))[0][0] == "ready"


async def test_search_goes_on_by_keywords_while_the_model_is_away(house, embedder):
    who = await new_account(house)
    await ingest.ingest(house, job_of((await upload(house, who, BODY.encode())).document))
    embedder.away = True
    found = await search.find(house, who, "규정 4조")
    assert found[0].text.startswith("4. 4번째")


async def test_search_does_not_wait_for_a_model_that_says_nothing(house, embedder, monkeypatch):
    who = await new_account(house)
    await ingest.ingest(house, job_of((await upload(house, who, BODY.encode())).document))

    async def silent(*arguments, **options):
        await asyncio.Event().wait()

    monkeypatch.setattr(search, "embed", silent)
    monkeypatch.setattr(search, "EMBEDDING_SECONDS", 0.01)
    assert (await search.find(house, who, "규정 4조"))[0].text.startswith("4. 4번째")


async def test_deleting_leaves_nothing(house, embedder):
    who = await new_account(house)
    kept = (await upload(house, who, b"kept " * 100, "kept.txt")).document
    document = (await upload(house, who, BODY.encode())).document
    for one in (kept, document):
        await ingest.ingest(house, job_of(one))
    async with house.db.transaction(who) as tx:
        key = (await documents.original_of(tx, who, document.id)).key
        await documents.delete_document(tx, who, document.id)
    async with house.db.transaction() as tx:
        for table in ("documents", "document_pages", "document_chunks", "postings", "vectors", "files"):
            column = "account_id" if table == "files" else "id" if table == "documents" else "document_id"
            value = who.account_id if table == "files" else document.id
            left = await tx.scalar(text(f'SELECT count(*) FROM "user".{table} WHERE {column} = :id'), {"id": value})
            assert left == (1 if table == "files" else 0), table
    from madang.features.files.contracts import DiscardObject
    from madang.features.files.service.uploads import discard

    assert await house.storage.exists(key)
    await discard(house, DiscardObject(key))
    assert not await house.storage.exists(key)
    assert await search.find(house, who, "kept")


async def test_a_document_deleted_while_it_is_read_stays_deleted(house, embedder):
    who = await new_account(house)
    document = (await upload(house, who, BODY.encode())).document

    async def delete_first(*arguments, **options):
        if not embedder.texts:
            async with house.db.transaction(who) as tx:
                await documents.delete_document(tx, who, document.id)
        return await Embedder.__call__(embedder, *arguments, **options)

    ingest.embed = delete_first
    await ingest.ingest(house, job_of(document))
    async with house.db.transaction(who) as tx:
        assert await tx.scalar(select(func.count()).select_from(DocumentChunk)) == 0
        assert await tx.scalar(select(func.count()).select_from(VectorRow)) == 0


async def test_progress_only_grows(house, embedder):
    who = await new_account(house)
    document = (await upload(house, who, BODY.encode())).document
    seen = []

    async def watching(*arguments, **options):
        async with house.db.transaction(who) as tx:
            row = await tx.get(Document, document.id)
            seen.append((row.status, row.stage, row.progress))
        return await Embedder.__call__(embedder, *arguments, **options)

    ingest.embed = watching
    await ingest.ingest(house, job_of(document))
    assert {status for status, _, _ in seen} == {"processing"}
    assert seen == sorted(seen, key=lambda step: step[2])
    assert len({progress for _, _, progress in seen}) > 3
