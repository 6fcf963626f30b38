"""Documents, their pages and chunks, the keyword index, and vectors by collection."""

from alembic import op

from madang.kernel.db import owner_policy

revision = "0004_knowledge"
down_revision = "0003_files"
branch_labels = None
depends_on = None

TABLES = ("documents", "document_pages", "document_chunks", "postings", "vectors")

DOCUMENTS = """
CREATE TABLE "user".documents (
    id uuid CONSTRAINT pk_documents PRIMARY KEY,
    account_id uuid NOT NULL
        CONSTRAINT fk_documents_account_id_accounts REFERENCES "user".accounts ON DELETE CASCADE,
    file_id uuid NOT NULL CONSTRAINT fk_documents_file_id_files REFERENCES "user".files ON DELETE CASCADE,
    sha256 text NOT NULL,
    title text NOT NULL,
    filename text NOT NULL,
    media_type text NOT NULL,
    size bigint NOT NULL,
    status text NOT NULL
        CONSTRAINT ck_documents_status CHECK (status IN ('queued', 'processing', 'ready', 'failed')),
    stage text CONSTRAINT ck_documents_stage CHECK (stage IN ('reading', 'chunking', 'embedding')),
    progress double precision NOT NULL CONSTRAINT ck_documents_progress CHECK (progress BETWEEN 0 AND 1),
    error_code text,
    error_message text,
    collection text,
    pages bigint NOT NULL,
    chunks bigint NOT NULL,
    words bigint NOT NULL,
    grams bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT uq_documents_account_id_sha256 UNIQUE (account_id, sha256)
)
"""

PAGES = """
CREATE TABLE "user".document_pages (
    document_id uuid NOT NULL
        CONSTRAINT fk_document_pages_document_id_documents REFERENCES "user".documents ON DELETE CASCADE,
    number bigint NOT NULL,
    account_id uuid NOT NULL,
    text text NOT NULL,
    CONSTRAINT pk_document_pages PRIMARY KEY (document_id, number)
)
"""

CHUNKS = """
CREATE TABLE "user".document_chunks (
    id uuid CONSTRAINT pk_document_chunks PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT uq_document_chunks_number UNIQUE,
    account_id uuid NOT NULL,
    document_id uuid NOT NULL
        CONSTRAINT fk_document_chunks_document_id_documents REFERENCES "user".documents ON DELETE CASCADE,
    ordinal bigint NOT NULL,
    page bigint NOT NULL,
    heading text NOT NULL,
    text text NOT NULL,
    content bytea NOT NULL,
    CONSTRAINT uq_document_chunks_document_id_ordinal UNIQUE (document_id, ordinal)
)
"""

POSTINGS = """
CREATE TABLE "user".postings (
    account_id uuid NOT NULL,
    document_id uuid NOT NULL
        CONSTRAINT fk_postings_document_id_documents REFERENCES "user".documents ON DELETE CASCADE,
    entries bigint[] NOT NULL,
    kind "char" NOT NULL CONSTRAINT ck_postings_kind CHECK (kind IN ('w', 'g')),
    term text NOT NULL
)
"""

COLLECTIONS = """
CREATE TABLE "user".vector_collections (
    name text CONSTRAINT pk_vector_collections PRIMARY KEY,
    model text NOT NULL,
    dimension bigint NOT NULL CONSTRAINT ck_vector_collections_dimension CHECK (dimension BETWEEN 1 AND 4000),
    number bigint GENERATED ALWAYS AS IDENTITY
)
"""

VECTORS = """
CREATE TABLE "user".vectors (
    collection text NOT NULL,
    chunk bigint NOT NULL
        CONSTRAINT fk_vectors_chunk_document_chunks REFERENCES "user".document_chunks (number) ON DELETE CASCADE,
    account_id uuid NOT NULL,
    document_id uuid NOT NULL,
    content bytea NOT NULL,
    embedding halfvec NOT NULL,
    CONSTRAINT pk_vectors PRIMARY KEY (collection, chunk)
) PARTITION BY LIST (collection)
"""

OPEN_COLLECTION = """
CREATE FUNCTION "user".open_collection(wanted_model text, wanted_dimension integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wanted text := wanted_model || ':' || wanted_dimension;
    made bigint;
BEGIN
    IF EXISTS (SELECT FROM "user".vector_collections WHERE name = wanted) THEN
        RETURN wanted;
    END IF;
    LOCK TABLE "user".vector_collections IN EXCLUSIVE MODE;
    INSERT INTO "user".vector_collections (name, model, dimension) VALUES (wanted, wanted_model, wanted_dimension)
        ON CONFLICT DO NOTHING RETURNING number INTO made;
    IF made IS NOT NULL THEN
        EXECUTE format('CREATE TABLE "user".%I PARTITION OF "user".vectors '
            '(CONSTRAINT %I CHECK (vector_dims(embedding) = %s)) FOR VALUES IN (%L)',
            'vectors_' || made, 'ck_vectors_' || made || '_dimension', wanted_dimension, wanted);
        EXECUTE format('ALTER TABLE "user".%I ENABLE ROW LEVEL SECURITY', 'vectors_' || made);
        EXECUTE format('ALTER TABLE "user".%I FORCE ROW LEVEL SECURITY', 'vectors_' || made);
        EXECUTE format('CREATE INDEX %I ON "user".%I USING hnsw ((embedding::halfvec(%s)) halfvec_cosine_ops)',
            'ix_vectors_' || made || '_embedding', 'vectors_' || made, wanted_dimension);
    END IF;
    RETURN wanted;
END
$$
"""


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    for statement in (DOCUMENTS, PAGES, CHUNKS, POSTINGS, COLLECTIONS, VECTORS, OPEN_COLLECTION):
        op.execute(statement)
    op.execute('CREATE INDEX ix_documents_account_id ON "user".documents (account_id, id)')
    op.execute('CREATE INDEX ix_documents_file_id ON "user".documents (file_id)')
    op.execute('CREATE INDEX ix_postings_account_id ON "user".postings (account_id, kind, term)')
    op.execute('CREATE INDEX ix_postings_document_id ON "user".postings (document_id)')
    op.execute('CREATE INDEX ix_vectors_account_id ON "user".vectors (account_id, content)')
    op.execute('CREATE INDEX ix_vectors_document_id ON "user".vectors (document_id)')
    op.execute('CREATE INDEX ix_vectors_chunk ON "user".vectors (chunk)')
    for table in TABLES:
        for statement in owner_policy(f"user.{table}"):
            op.execute(statement)


def downgrade() -> None:
    op.execute('DROP FUNCTION "user".open_collection')
    for table in ("vectors", "vector_collections", "postings", "document_chunks", "document_pages", "documents"):
        op.execute(f'DROP TABLE "user".{table}')
