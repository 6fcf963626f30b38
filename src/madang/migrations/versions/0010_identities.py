"""Identities at OpenID Connect providers."""

from alembic import op

from madang.kernel.db import owner_policy

revision = "0010_identities"
down_revision = "0009_second_factors"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE "user".identities (
            id uuid CONSTRAINT pk_identities PRIMARY KEY,
            account_id uuid NOT NULL
                CONSTRAINT fk_identities_account_id_accounts REFERENCES "user".accounts ON DELETE CASCADE,
            provider text NOT NULL,
            issuer text NOT NULL,
            subject text NOT NULL,
            email text NOT NULL,
            made_supervisor boolean NOT NULL DEFAULT false,
            last_used_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT uq_identities_issuer_subject UNIQUE (issuer, subject)
        )
        """
    )
    op.execute('CREATE INDEX ix_identities_account_id ON "user".identities (account_id)')
    for statement in owner_policy("user.identities"):
        op.execute(statement)


def downgrade() -> None:
    op.execute('DROP TABLE "user".identities')
