"""Scopes, memberships and invites, and the row-level security of everything that lies in a scope."""

from alembic import op

from madang.kernel.db import APP_ROLE, HOUSE, owner_policy
from madang.migrations.standing import FUNCTIONS, INNER_FUNCTIONS

revision = "0011_organisations"
down_revision = "0010_identities"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE partner.scopes (
        id uuid CONSTRAINT pk_scopes PRIMARY KEY,
        kind text NOT NULL CONSTRAINT ck_scopes_kind CHECK (kind IN ('organisation', 'partner', 'class')),
        parent_id uuid,
        path uuid[] NOT NULL,
        parent_path uuid[] NOT NULL GENERATED ALWAYS AS (path[1 : cardinality(path) - 1]) STORED,
        name text NOT NULL,
        status text NOT NULL DEFAULT 'active' CONSTRAINT ck_scopes_status CHECK (status IN ('active', 'suspended')),
        suspended_by_supervisor boolean NOT NULL DEFAULT false,
        created_by uuid CONSTRAINT fk_scopes_created_by_accounts REFERENCES "user".accounts ON DELETE SET NULL,
        deleted_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT uq_scopes_id_path UNIQUE (id, path),
        CONSTRAINT ck_scopes_path_ends_here CHECK (path[cardinality(path)] = id AND cardinality(path) <= 3),
        CONSTRAINT ck_scopes_organisations_are_roots CHECK ((kind = 'organisation') = (cardinality(path) = 1)),
        CONSTRAINT ck_scopes_parent CHECK (parent_id IS NOT DISTINCT FROM path[cardinality(path) - 1]),
        CONSTRAINT fk_scopes_parent_id_parent_path_scopes FOREIGN KEY (parent_id, parent_path)
            REFERENCES partner.scopes (id, path) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_scopes_path ON partner.scopes USING gin (path)",
    "CREATE INDEX ix_scopes_parent_id ON partner.scopes (parent_id, id)",
    "CREATE INDEX ix_scopes_roots ON partner.scopes (id) WHERE parent_id IS NULL",
    "CREATE INDEX ix_scopes_halted ON partner.scopes (id) WHERE status = 'suspended' OR deleted_at IS NOT NULL",
    """
    CREATE TABLE partner.memberships (
        id uuid CONSTRAINT pk_memberships PRIMARY KEY,
        scope_id uuid NOT NULL,
        path uuid[] NOT NULL,
        account_id uuid NOT NULL
            CONSTRAINT fk_memberships_account_id_accounts REFERENCES "user".accounts ON DELETE CASCADE,
        role text NOT NULL
            CONSTRAINT ck_memberships_role CHECK (role IN ('owner', 'admin', 'manager', 'instructor', 'student')),
        status text NOT NULL DEFAULT 'active'
            CONSTRAINT ck_memberships_status CHECK (status IN ('active', 'suspended')),
        source text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT uq_memberships_scope_id_account_id UNIQUE (scope_id, account_id),
        CONSTRAINT ck_memberships_owners_own_organisations CHECK (role <> 'owner' OR cardinality(path) = 1),
        CONSTRAINT ck_memberships_owners_are_active CHECK (role <> 'owner' OR status = 'active'),
        CONSTRAINT fk_memberships_scope_id_path_scopes FOREIGN KEY (scope_id, path)
            REFERENCES partner.scopes (id, path) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_memberships_account_id ON partner.memberships (account_id)",
    "CREATE INDEX ix_memberships_scope_id ON partner.memberships (scope_id, id)",
    """
    CREATE TABLE partner.invites (
        id uuid CONSTRAINT pk_invites PRIMARY KEY,
        scope_id uuid NOT NULL,
        path uuid[] NOT NULL,
        code_hash bytea NOT NULL CONSTRAINT uq_invites_code_hash UNIQUE,
        role text NOT NULL
            CONSTRAINT ck_invites_role CHECK (role IN ('admin', 'manager', 'instructor', 'student')),
        email text,
        note text NOT NULL,
        max_uses bigint NOT NULL CONSTRAINT ck_invites_max_uses_positive CHECK (max_uses > 0),
        used_count bigint NOT NULL DEFAULT 0,
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz,
        sent_at timestamptz,
        created_by uuid CONSTRAINT fk_invites_created_by_accounts REFERENCES "user".accounts ON DELETE SET NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT ck_invites_used_count_within CHECK (used_count BETWEEN 0 AND max_uses),
        CONSTRAINT fk_invites_scope_id_path_scopes FOREIGN KEY (scope_id, path)
            REFERENCES partner.scopes (id, path) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_invites_scope_id ON partner.invites (scope_id, id)",
    "CREATE INDEX ix_invites_created_by ON partner.invites (created_by)",
    """
    CREATE TABLE partner.redemptions (
        invite_id uuid NOT NULL
            CONSTRAINT fk_redemptions_invite_id_invites REFERENCES partner.invites ON DELETE CASCADE,
        scope_id uuid NOT NULL
            CONSTRAINT fk_redemptions_scope_id_scopes REFERENCES partner.scopes ON DELETE CASCADE,
        account_id uuid NOT NULL
            CONSTRAINT fk_redemptions_account_id_accounts REFERENCES "user".accounts ON DELETE CASCADE,
        is_reserved boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_redemptions PRIMARY KEY (invite_id, account_id)
    )
    """,
    "CREATE INDEX ix_redemptions_account_id ON partner.redemptions (account_id, scope_id)",
    "CREATE INDEX ix_redemptions_scope_id ON partner.redemptions (scope_id)",
)

ANYBODY = f"current_setting('madang.account', true) = '{HOUSE}' OR (SELECT supervisor.is_supervisor())"
"""The house and its supervisors; their part of every rule. The sub-select runs once a statement."""


def _within(least: str, *, living: bool = True, path: str = "path") -> str:
    """At or beneath a scope in which the caller has a role of this rank, outside of what is blocked for them."""
    word = str(living).lower()
    return (
        f"({path} && (SELECT partner.my_roots('{least}', {word})) AND NOT {path} && (SELECT partner.my_blocks({word})))"
    )


MAY_GRANT = (
    f"((role IN ('student', 'instructor') AND {_within('manager')}) OR (role = 'manager' AND {_within('admin')})"
    f" OR (role = 'admin' AND {_within('owner')}))"
)
"""One writes only roles below one's own; owners change hands in the house's name, by transfer."""

OWN = "account_id = supervisor.scope_account()"
MANAGED_OR_RESTORED = f"""(
    {_within("manager", living=False)} AND (
        path && (SELECT partner.my_roots('manager')) OR (
            deleted_at IS NOT NULL AND status = 'active'
            AND id = ANY ((SELECT partner.my_roots('owner', false))::uuid[]))))
"""
"""Whoever manages a living scope writes it and what lies beneath, suspended or not; an owner takes a deletion back."""


def _policy(table: str, name: str, command: str, *, using: str = "", check: str = "") -> str:
    """A rule for one command, beside what the house and its supervisors may."""
    clauses = [f" USING ({ANYBODY} OR {using})"] if using else []
    clauses += [f" WITH CHECK ({ANYBODY} OR {check})"] if check else []
    return f"CREATE POLICY {name} ON {table} FOR {command}{''.join(clauses)}"


SEEN, AUDITED = _within("student", living=False), _within("manager", living=False, path="scope_path")
SEEN_OR_GONE = f"({SEEN} AND (deleted_at IS NULL OR {_within('manager', living=False)}))"
"""What was deleted is gone for all but those who managed it."""
ADDED = f"(parent_id IS NOT NULL AND {_within('manager')})"
MET = f"({OWN} OR {_within('instructor', living=False)})"
AS_ONESELF = f"current_setting('madang.account', true) = '{HOUSE}' OR actor_id = supervisor.scope_account()"
POLICIES = (
    _policy("partner.scopes", "scopes_read", "SELECT", using=SEEN_OR_GONE),
    _policy("partner.scopes", "scopes_add", "INSERT", check=ADDED),
    _policy(
        "partner.scopes", "scopes_change", "UPDATE", using=MANAGED_OR_RESTORED, check=_within("manager", living=False)
    ),
    _policy("partner.scopes", "scopes_remove", "DELETE", using="false"),
    _policy("partner.memberships", "memberships_read", "SELECT", using=MET),
    _policy("partner.memberships", "memberships_add", "INSERT", check=MAY_GRANT),
    _policy("partner.memberships", "memberships_change", "UPDATE", using=MAY_GRANT, check=MAY_GRANT),
    _policy(
        "partner.memberships", "memberships_remove", "DELETE", using=f"(({OWN} AND status = 'active') OR {MAY_GRANT})"
    ),
    _policy("partner.invites", "invites_read", "SELECT", using=_within("manager")),
    _policy("partner.invites", "invites_write", "ALL", using=MAY_GRANT, check=MAY_GRANT),
    _policy("supervisor.audit", "audit_read", "SELECT", using=AUDITED),
    f"CREATE POLICY audit_add ON supervisor.audit FOR INSERT WITH CHECK ({AS_ONESELF})",
    'CREATE POLICY accounts_supervisor ON "user".accounts FOR SELECT USING ((SELECT supervisor.is_supervisor()))',
    'CREATE POLICY logins_supervisor ON "user".logins FOR SELECT USING ((SELECT supervisor.is_supervisor()))',
)

GUARDED = ("partner.scopes", "partner.memberships", "partner.invites", "supervisor.audit")
CHANGEABLE = {
    "partner.scopes": "name, status, suspended_by_supervisor, deleted_at",
    "partner.memberships": "role, status, source",
    "partner.invites": "code_hash, used_count, expires_at, revoked_at, sent_at",
}
"""The only columns that the application changes: no row ever moves to another scope or to another person."""


def upgrade() -> None:
    for statement in (*TABLES, *FUNCTIONS):
        op.execute(statement)
    for function in INNER_FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    for table in GUARDED:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    for table, columns in CHANGEABLE.items():
        op.execute(f"REVOKE UPDATE ON {table} FROM {APP_ROLE}")
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO {APP_ROLE}")
    for statement in (*POLICIES, *owner_policy("partner.redemptions")):
        op.execute(statement)


def downgrade() -> None:
    op.execute('DROP POLICY logins_supervisor ON "user".logins')
    op.execute('DROP POLICY accounts_supervisor ON "user".accounts')
    op.execute("DROP POLICY audit_add ON supervisor.audit")
    op.execute("DROP POLICY audit_read ON supervisor.audit")
    op.execute("ALTER TABLE supervisor.audit NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE supervisor.audit DISABLE ROW LEVEL SECURITY")
    for table in ("redemptions", "invites", "memberships", "scopes"):
        op.execute(f"DROP TABLE partner.{table}")
    for function in (
        "partner.keep_an_owner",
        "partner.members_of",
        "partner.member_page",
        "partner.my_memberships",
        "partner.memberships_of",
        "partner.rank_of",
        "partner.highest_rank_of",
        "partner.managed_scopes",
        "partner.my_scopes",
        "partner.my_blocks",
        "partner.my_roots",
        "partner.scopes_of",
        "partner.blocks_of",
        "partner.roots_of",
        "partner.state_of",
        "partner.rank",
        "supervisor.is_supervisor",
        "supervisor.supervises",
    ):
        op.execute(f"DROP FUNCTION {function}")
