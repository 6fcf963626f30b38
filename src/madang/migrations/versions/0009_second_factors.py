"""Second factors, passkeys and API keys."""

from alembic import op

from madang.kernel.db import owner_policy

revision = "0009_second_factors"
down_revision = "0008_recovery"
branch_labels = None
depends_on = None

TABLES = ("authenticators", "recovery_codes", "passkeys", "api_keys")


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE "user".authenticators (
            account_id uuid CONSTRAINT pk_authenticators PRIMARY KEY
                CONSTRAINT fk_authenticators_account_id_accounts REFERENCES "user".accounts ON DELETE CASCADE,
            sealed_secret bytea NOT NULL,
            last_step bigint NOT NULL DEFAULT 0,
            enabled_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    op.execute(
        """
        CREATE TABLE "user".recovery_codes (
            id uuid CONSTRAINT pk_recovery_codes PRIMARY KEY,
            account_id uuid NOT NULL
                CONSTRAINT fk_recovery_codes_account_id_accounts REFERENCES "user".accounts ON DELETE CASCADE,
            code_hash bytea NOT NULL,
            used_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT uq_recovery_codes_account_id_code_hash UNIQUE (account_id, code_hash)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE "user".passkeys (
            id uuid CONSTRAINT pk_passkeys PRIMARY KEY,
            account_id uuid NOT NULL
                CONSTRAINT fk_passkeys_account_id_accounts REFERENCES "user".accounts ON DELETE CASCADE,
            credential_id bytea NOT NULL CONSTRAINT uq_passkeys_credential_id UNIQUE,
            public_key bytea NOT NULL,
            rp_id text NOT NULL,
            sign_count bigint NOT NULL,
            transports jsonb NOT NULL,
            name text NOT NULL,
            last_used_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    op.execute('CREATE INDEX ix_passkeys_account_id ON "user".passkeys (account_id)')
    op.execute(
        """
        CREATE TABLE "user".api_keys (
            id uuid CONSTRAINT pk_api_keys PRIMARY KEY,
            account_id uuid NOT NULL
                CONSTRAINT fk_api_keys_account_id_accounts REFERENCES "user".accounts ON DELETE CASCADE,
            key_hash bytea NOT NULL CONSTRAINT uq_api_keys_key_hash UNIQUE,
            prefix text NOT NULL,
            name text NOT NULL,
            permissions text[] NOT NULL,
            expires_at timestamptz,
            last_used_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    op.execute('CREATE INDEX ix_api_keys_account_id ON "user".api_keys (account_id)')
    for table in TABLES:
        for statement in owner_policy(f"user.{table}"):
            op.execute(statement)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.execute(f'DROP TABLE "user".{table}')
