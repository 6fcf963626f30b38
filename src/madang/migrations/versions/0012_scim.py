"""What other systems tell an organisation about its people: SCIM tokens, users and groups."""

from alembic import op

from madang.kernel.db import APP_ROLE, HOUSE

revision = "0012_scim"
down_revision = "0011_organisations"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE partner.scim_tokens (
        id uuid CONSTRAINT pk_scim_tokens PRIMARY KEY,
        scope_id uuid NOT NULL,
        path uuid[] NOT NULL,
        name text NOT NULL,
        token_hash bytea NOT NULL CONSTRAINT uq_scim_tokens_token_hash UNIQUE,
        created_by uuid CONSTRAINT fk_scim_tokens_created_by_accounts REFERENCES "user".accounts ON DELETE SET NULL,
        expires_at timestamptz,
        last_used_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT fk_scim_tokens_scope_id_path_scopes FOREIGN KEY (scope_id, path)
            REFERENCES partner.scopes (id, path) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_scim_tokens_scope_id ON partner.scim_tokens (scope_id, id)",
    """
    CREATE TABLE partner.scim_users (
        id uuid CONSTRAINT pk_scim_users PRIMARY KEY,
        scope_id uuid NOT NULL,
        path uuid[] NOT NULL,
        account_id uuid CONSTRAINT fk_scim_users_account_id_accounts REFERENCES "user".accounts ON DELETE SET NULL,
        user_name text NOT NULL,
        email text,
        external_id text,
        active boolean NOT NULL,
        told jsonb NOT NULL,
        suspended uuid[] NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL,
        CONSTRAINT uq_scim_users_scope_id_account_id UNIQUE (scope_id, account_id),
        CONSTRAINT fk_scim_users_scope_id_path_scopes FOREIGN KEY (scope_id, path)
            REFERENCES partner.scopes (id, path) ON DELETE CASCADE
    )
    """,
    "CREATE UNIQUE INDEX uq_scim_users_user_name ON partner.scim_users (scope_id, lower(user_name))",
    "CREATE INDEX ix_scim_users_email ON partner.scim_users (scope_id, email)",
    "CREATE INDEX ix_scim_users_account_id ON partner.scim_users (account_id)",
    """
    CREATE TABLE partner.scim_groups (
        id uuid CONSTRAINT pk_scim_groups PRIMARY KEY,
        scope_id uuid NOT NULL,
        path uuid[] NOT NULL,
        display_name text NOT NULL,
        external_id text,
        role text CONSTRAINT ck_scim_groups_role CHECK (role IN ('admin', 'manager', 'instructor', 'student')),
        role_scope_id uuid CONSTRAINT fk_scim_groups_role_scope_id_scopes REFERENCES partner.scopes ON DELETE SET NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL,
        CONSTRAINT fk_scim_groups_scope_id_path_scopes FOREIGN KEY (scope_id, path)
            REFERENCES partner.scopes (id, path) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_scim_groups_scope_id ON partner.scim_groups (scope_id, id)",
    "CREATE INDEX ix_scim_groups_role_scope_id ON partner.scim_groups (role_scope_id)",
    """
    CREATE TABLE partner.scim_members (
        group_id uuid NOT NULL CONSTRAINT fk_scim_members_group_id_scim_groups
            REFERENCES partner.scim_groups ON DELETE CASCADE,
        user_id uuid NOT NULL CONSTRAINT fk_scim_members_user_id_scim_users
            REFERENCES partner.scim_users ON DELETE CASCADE,
        path uuid[] NOT NULL,
        CONSTRAINT pk_scim_members PRIMARY KEY (group_id, user_id)
    )
    """,
    "CREATE INDEX ix_scim_members_user_id ON partner.scim_members (user_id)",
)

MANAGED = (
    f"current_setting('madang.account', true) = '{HOUSE}' OR (SELECT supervisor.is_supervisor())"
    " OR (path && (SELECT partner.my_roots('admin')) AND NOT path && (SELECT partner.my_blocks()))"
)
"""The house, supervisors, and those who run the organisation."""

GUARDED = ("scim_tokens", "scim_users", "scim_groups", "scim_members")
CHANGEABLE = {
    "scim_tokens": "last_used_at",
    "scim_users": "account_id, user_name, email, external_id, active, told, suspended, updated_at",
    "scim_groups": "display_name, external_id, role, role_scope_id, updated_at",
}
"""The only columns that the application changes: nothing moves to another organisation."""


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    for table in GUARDED:
        op.execute(f"ALTER TABLE partner.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE partner.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_managed ON partner.{table} USING ({MANAGED}) WITH CHECK ({MANAGED})")
        op.execute(f"REVOKE UPDATE ON partner.{table} FROM {APP_ROLE}")
    for table, columns in CHANGEABLE.items():
        op.execute(f"GRANT UPDATE ({columns}) ON partner.{table} TO {APP_ROLE}")


def downgrade() -> None:
    for table in reversed(GUARDED):
        op.execute(f"DROP TABLE partner.{table}")
