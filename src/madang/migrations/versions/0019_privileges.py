"""What the application's role may do, column by column: who supervises and who proved what is the house's to write.

Everything here holds against a statement in somebody's own scope, as after an injection.
"""

from alembic import op

from madang.kernel.db import APP_ROLE, HOUSE

revision = "0019_privileges"
down_revision = "0018_revocation"
branch_labels = None
depends_on = None

IN_HOUSE = f"current_setting('madang.account', true) = '{HOUSE}'"
MINE = "id = supervisor.scope_account()"

PROTECTED = {
    "accounts": (
        "id",
        "email",
        "password_hash",
        "is_supervisor",
        "email_verified_at",
        "disabled_at",
        "deletion_at",
        "deletion_by",
        "deleted_at",
        "created_at",
    ),
    "identities": ("id", "account_id", "issuer", "subject", "made_supervisor", "is_confirmed"),
}
"""Columns that only the house writes; of an account, all but name and preferences."""

HOUSE_WRITES = f"""
CREATE FUNCTION supervisor.house_writes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = '{APP_ROLE}' AND coalesce(current_setting('madang.account', true), '') <> '{HOUSE}' THEN
        RAISE EXCEPTION 'only the house writes these columns of %', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$
"""

ACCOUNT_POLICIES = (
    f'CREATE POLICY accounts_own_read ON "user".accounts FOR SELECT USING ({MINE})',
    f'CREATE POLICY accounts_own_change ON "user".accounts FOR UPDATE USING ({MINE}) WITH CHECK ({MINE})',
    f'CREATE POLICY accounts_house ON "user".accounts USING ({IN_HOUSE}) WITH CHECK ({IN_HOUSE})',
)
SUPERVISED = f"{IN_HOUSE} OR (SELECT supervisor.is_supervisor())"
AS_OWNER = f"current_user <> '{APP_ROLE}'"
CODES, COLLECTIONS = "supervisor.registration_invites", '"user".vector_collections'
OTHERS = (
    # Everybody's transactions announce something; only the house reads and delivers it.
    "CREATE POLICY outbox_add ON supervisor.outbox FOR INSERT WITH CHECK (true)",
    f"CREATE POLICY outbox_house ON supervisor.outbox USING ({IN_HOUSE}) WITH CHECK ({IN_HOUSE})",
    f"CREATE POLICY registration_invites_managed ON {CODES} USING ({SUPERVISED}) WITH CHECK ({SUPERVISED})",
    # Written by `open_collection` alone, in its owner's name.
    f"CREATE POLICY vector_collections_read ON {COLLECTIONS} FOR SELECT USING (true)",
    f"CREATE POLICY vector_collections_add ON {COLLECTIONS} FOR INSERT WITH CHECK ({AS_OWNER})",
    "CREATE POLICY retention_read ON supervisor.retention FOR SELECT USING (true)",
    f"CREATE POLICY retention_set ON supervisor.retention USING ({AS_OWNER}) WITH CHECK ({AS_OWNER})",
)
GUARDED = ("supervisor.outbox", "supervisor.registration_invites", '"user".vector_collections', "supervisor.retention")

RETENTION = """
CREATE TABLE supervisor.retention (
    table_name text CONSTRAINT pk_retention PRIMARY KEY,
    months integer CONSTRAINT ck_retention_months CHECK (months >= 3)
)
"""
"""For how many months the owner has rows kept; null for ever. `madang migrate` writes it from the settings."""

DROP_MONTHS = """
CREATE OR REPLACE FUNCTION supervisor.drop_months(schema_name text, table_name text, keep integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old text;
    floor integer := (SELECT r.months FROM supervisor.retention r WHERE r.table_name = $1 || '.' || $2);
    oldest text;
    dropped integer := 0;
BEGIN
    IF keep < 3 THEN
        RAISE EXCEPTION 'the last three months are never dropped';
    END IF;
    IF floor IS NULL THEN
        RETURN 0;
    END IF;
    oldest := $2 || to_char((now() AT TIME ZONE 'UTC') - make_interval(months => greatest(keep, floor)), '_YYYY_MM');
    FOR old IN
        SELECT child.relname FROM pg_inherits
        JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = format('%I.%I', $1, $2)::regclass
            AND child.relname ~ ($2 || '_[0-9]{4}_[0-9]{2}$') AND child.relname < oldest
    LOOP
        EXECUTE format('DROP TABLE %I.%I', $1, old);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$
"""
"""Drops the partitions of months older than the last `keep`, and never what the owner has kept; returns how many."""


def upgrade() -> None:
    op.execute(HOUSE_WRITES)
    for table, columns in PROTECTED.items():
        differs = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
        op.execute(
            f'CREATE TRIGGER house_writes BEFORE UPDATE ON "user".{table} FOR EACH ROW WHEN ({differs})'
            " EXECUTE FUNCTION supervisor.house_writes()"
        )
    op.execute('DROP POLICY accounts_owner ON "user".accounts')
    op.execute(RETENTION)
    op.execute("INSERT INTO supervisor.retention VALUES ('supervisor.audit', NULL), ('partner.usage', 13)")
    op.execute(DROP_MONTHS)
    for table in GUARDED:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    for statement in (*ACCOUNT_POLICIES, *OTHERS):
        op.execute(statement)
    op.execute(f"REVOKE UPDATE (code_hash) ON partner.invites FROM {APP_ROLE}")
    op.execute(f"REVOKE INSERT, UPDATE, DELETE ON supervisor.retention FROM {APP_ROLE}")
    op.execute(f'REVOKE INSERT, UPDATE, DELETE ON "user".vector_collections FROM {APP_ROLE}')
    op.execute(f"REVOKE INSERT, UPDATE, DELETE ON supervisor.alembic_version FROM {APP_ROLE}")


def downgrade() -> None:
    op.execute(f"GRANT UPDATE (code_hash) ON partner.invites TO {APP_ROLE}")
    op.execute(f'GRANT INSERT, UPDATE, DELETE ON "user".vector_collections TO {APP_ROLE}')
    for policy, table in (
        ("vector_collections_add", '"user".vector_collections'),
        ("vector_collections_read", '"user".vector_collections'),
        ("registration_invites_managed", "supervisor.registration_invites"),
        ("outbox_house", "supervisor.outbox"),
        ("outbox_add", "supervisor.outbox"),
        ("accounts_house", '"user".accounts'),
        ("accounts_own_change", '"user".accounts'),
        ("accounts_own_read", '"user".accounts'),
    ):
        op.execute(f"DROP POLICY {policy} ON {table}")
    for table in GUARDED[:-1]:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    owns = f"({IN_HOUSE} OR {MINE})"
    op.execute(f'CREATE POLICY accounts_owner ON "user".accounts USING {owns} WITH CHECK {owns}')
    for table in PROTECTED:
        op.execute(f'DROP TRIGGER house_writes ON "user".{table}')
    op.execute("DROP FUNCTION supervisor.house_writes()")
    op.execute(DROP_MONTHS_BEFORE)
    op.execute("DROP TABLE supervisor.retention")


DROP_MONTHS_BEFORE = DROP_MONTHS.replace(
    "floor integer := (SELECT r.months FROM supervisor.retention r WHERE r.table_name = $1 || '.' || $2);",
    "floor integer := 3;",
)
"""As it was: only the last three months were safe."""
