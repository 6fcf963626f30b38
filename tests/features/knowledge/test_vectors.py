"""The contract of every vector store; adapters are added to `STORES`."""

import random
from contextlib import asynccontextmanager

import pytest

from madang.features.knowledge.contracts import Collection, VectorItem
from madang.features.knowledge.service.vectors import PgVectors
from tests.features.knowledge.library import add_document, new_account, store_vectors

COLLECTION = Collection("test/contract", 3)
AXES = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


@asynccontextmanager
async def pgvector(house, who):
    async with house.db.transaction(who) as tx:
        yield PgVectors(tx)


STORES = [pgvector]


@pytest.fixture(params=STORES, ids=lambda opener: opener.__name__)
def opened(request, house):
    return lambda who: request.param(house, who)


async def three(house, who, collection=COLLECTION):
    document = await add_document(house, who, "a", ["하나", "둘", "셋"])
    return document, await store_vectors(house, who, document, AXES, collection)


async def test_the_nearest_come_first_with_their_cosine(house, opened):
    who = await new_account(house)
    _, items = await three(house, who)
    async with opened(who) as store:
        hits = await store.query(COLLECTION, who.account_id, [0.8, 0.6, 0.0], 2)
    assert [hit.chunk for hit in hits] == [items[0].chunk, items[1].chunk]
    assert [hit.similarity for hit in hits] == pytest.approx([0.8, 0.6], abs=1e-3)


async def test_an_upsert_replaces(house, opened):
    who = await new_account(house)
    document, items = await three(house, who)
    async with opened(who) as store:
        moved = VectorItem(items[0].chunk, document, b"new", [0.0, 0.0, 1.0])
        await store.upsert(COLLECTION, who.account_id, [moved])
        assert await store.count(COLLECTION, who.account_id) == 3
        kept = await store.scan(COLLECTION, who.account_id, 0, 1)
    assert (kept[0].content, list(kept[0].vector)) == (b"new", [0.0, 0.0, 1.0])


async def test_tenants_never_meet(house, opened):
    who, stranger = await new_account(house), await new_account(house)
    document, _ = await three(house, who)
    async with opened(stranger) as store:
        for tenant in (who.account_id, stranger.account_id):
            assert await store.query(COLLECTION, tenant, AXES[0], 5) == []
            assert await store.count(COLLECTION, tenant) == 0
            assert await store.scan(COLLECTION, tenant, 0, 5) == []
            await store.delete_document(tenant, document)
    async with opened(who) as store:
        assert await store.count(COLLECTION, who.account_id) == 3


async def test_collections_never_meet(house, opened):
    who = await new_account(house)
    await three(house, who)
    other = Collection("test/another", 3)
    async with opened(who) as store:
        assert await store.query(other, who.account_id, AXES[0], 5) == []
        assert await store.count(other, who.account_id) == 0


async def test_a_vector_of_another_dimension_is_refused(house, opened):
    who = await new_account(house)
    document, items = await three(house, who)
    async with opened(who) as store:
        with pytest.raises(ValueError, match="3 dimensions"):
            await store.upsert(COLLECTION, who.account_id, [VectorItem(items[0].chunk, document, b"", [1.0, 0.0])])


async def test_a_document_leaves_whole_and_alone(house, opened):
    who = await new_account(house)
    document, _ = await three(house, who)
    other, _ = await three(house, who)
    async with opened(who) as store:
        await store.delete_document(who.account_id, document)
        left = await store.query(COLLECTION, who.account_id, AXES[0], 9)
    assert {hit.document_id for hit in left} == {other}
    assert len(left) == 3


async def test_a_query_can_be_kept_to_documents(house, opened):
    who = await new_account(house)
    document, _ = await three(house, who)
    await three(house, who)
    async with opened(who) as store:
        hits = await store.query(COLLECTION, who.account_id, AXES[0], 9, [document])
    assert {hit.document_id for hit in hits} == {document}


async def test_a_scan_meets_everything_once_in_order(house, opened):
    who = await new_account(house)
    dice = random.Random(1)
    document = await add_document(house, who, "a", [f"글 {number}" for number in range(23)])
    vectors = [[dice.choice((0.0, 1.0)), 1.0, 0.0] for _ in range(23)]
    items = await store_vectors(house, who, document, vectors, COLLECTION)
    met = []
    async with opened(who) as store:
        while part := await store.scan(COLLECTION, who.account_id, met[-1].chunk if met else 0, 5):
            met += part
    assert [(item.chunk, list(item.vector)) for item in met] == [(item.chunk, item.vector) for item in items]
