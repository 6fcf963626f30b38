"""Accounts, sign-ins and registration invites."""

from alembic import op

from madang.kernel.db import owner_policy

revision = "0002_accounts"
down_revision = "0001_kernel"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE "user".accounts (
            id uuid CONSTRAINT pk_accounts PRIMARY KEY,
            email text NOT NULL CONSTRAINT uq_accounts_email UNIQUE,
            name text NOT NULL,
            password_hash text NOT NULL,
            is_supervisor boolean NOT NULL DEFAULT false,
            preferences jsonb NOT NULL DEFAULT '{}',
            disabled_at timestamptz,
            deleted_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    op.execute(
        """
        CREATE TABLE "user".logins (
            id uuid CONSTRAINT pk_logins PRIMARY KEY,
            account_id uuid NOT NULL
                CONSTRAINT fk_logins_account_id_accounts REFERENCES "user".accounts ON DELETE CASCADE,
            salt bytea NOT NULL,
            generation bigint NOT NULL CONSTRAINT ck_logins_generation_positive CHECK (generation > 0),
            rotated_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            ended_at timestamptz,
            end_reason text,
            address text NOT NULL,
            user_agent text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    op.execute('CREATE INDEX ix_logins_account_id ON "user".logins (account_id) WHERE ended_at IS NULL')
    op.execute('CREATE INDEX ix_logins_expires_at ON "user".logins (expires_at)')
    op.execute(
        """
        CREATE TABLE supervisor.registration_invites (
            id uuid CONSTRAINT pk_registration_invites PRIMARY KEY,
            code_hash bytea NOT NULL CONSTRAINT uq_registration_invites_code_hash UNIQUE,
            note text NOT NULL,
            max_uses bigint NOT NULL CONSTRAINT ck_registration_invites_max_uses_positive CHECK (max_uses > 0),
            used_count bigint NOT NULL DEFAULT 0,
            expires_at timestamptz NOT NULL,
            created_by uuid CONSTRAINT fk_registration_invites_created_by_accounts
                REFERENCES "user".accounts ON DELETE SET NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT ck_registration_invites_used_count_within CHECK (used_count BETWEEN 0 AND max_uses)
        )
        """
    )
    for statement in (*owner_policy("user.accounts", "id"), *owner_policy("user.logins")):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE supervisor.registration_invites")
    op.execute('DROP TABLE "user".logins')
    op.execute('DROP TABLE "user".accounts')
