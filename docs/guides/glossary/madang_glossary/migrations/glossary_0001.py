"""Words."""

from alembic import op

from madang.kernel.db import owner_policy

revision = "glossary_0001"
down_revision = None
branch_labels = ("glossary",)
depends_on = "0002_accounts"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE "user".glossary_terms (
            id uuid CONSTRAINT pk_glossary_terms PRIMARY KEY,
            account_id uuid NOT NULL
                CONSTRAINT fk_glossary_terms_account_id_accounts REFERENCES "user".accounts ON DELETE CASCADE,
            word text NOT NULL,
            meaning text NOT NULL,
            CONSTRAINT uq_glossary_terms_account_id_word UNIQUE (account_id, word)
        )
        """
    )
    for statement in owner_policy("user.glossary_terms"):
        op.execute(statement)


def downgrade() -> None:
    op.execute('DROP TABLE "user".glossary_terms')
