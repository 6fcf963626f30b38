"""What a role made ends with the role: codes, and the tokens of directories, however the role is lost.

It hangs on the rows themselves, so that no way of losing a role can forget it: by hand, by leaving, by a directory, by
a provider's groups, by a transfer, with the account, and by ceasing to supervise.
"""

from alembic import op

from madang.kernel.db import HOUSE

revision = "0018_revocation"
down_revision = "0017_step_up"
branch_labels = None
depends_on = None

DEFINER = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"

USABLE = "a.disabled_at IS NULL AND a.deletion_at IS NULL AND a.deleted_at IS NULL"

RANK_LEFT = f"""
CREATE FUNCTION partner.rank_left(account uuid, place uuid[]) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN NOT EXISTS (SELECT FROM "user".accounts a WHERE a.id = account AND {USABLE}) THEN 0
        WHEN EXISTS (SELECT FROM "user".accounts a WHERE a.id = account AND a.is_supervisor) THEN 6
        ELSE coalesce((
            SELECT CASE WHEN bool_or(m.status = 'suspended') THEN 0 ELSE max(partner.rank(m.role)) END
            FROM partner.memberships m WHERE m.account_id = account AND m.scope_id = ANY (place)), 0)
    END
$$
"""  # noqa: S608  # only constants of this file go in
"""What an account ranks in a place, asked with the house's eyes: supervisors above owners, the suspended as nobody."""

REVOKE_BEYOND = f"""
CREATE FUNCTION partner.revoke_beyond(account uuid, place uuid) RETURNS void LANGUAGE plpgsql {DEFINER} AS $$
DECLARE
    caller text := coalesce(current_setting('madang.account', true), '');
BEGIN
    PERFORM set_config('madang.account', '{HOUSE}', true);
    UPDATE partner.invites i SET revoked_at = now()
        FROM (SELECT v.id, partner.rank_left(account, v.path) AS rank FROM partner.invites v
              WHERE v.created_by = account AND v.revoked_at IS NULL AND (place IS NULL OR v.path @> ARRAY[place])) made
        WHERE i.id = made.id AND (made.rank < partner.rank('manager') OR partner.rank(i.role) >= made.rank);
    WITH ended AS (
        DELETE FROM partner.scim_tokens t
        WHERE t.created_by = account AND (place IS NULL OR t.path @> ARRAY[place])
          AND partner.rank_left(account, t.path) < partner.rank('admin')
        RETURNING t.id, t.path, t.name
    )
    INSERT INTO supervisor.audit
        (id, actor_id, action, target_kind, target_id, scope_path, address, user_agent, request_id, details)
    SELECT uuidv7(), NULL, 'organisations.scim_token_withdrawn', 'scim_token', e.id, e.path, '', '', NULL,
        jsonb_build_object('name', e.name, 'by', 'role lost', 'account_id', account) FROM ended e;
    PERFORM set_config('madang.account', caller, true);
END $$
"""  # noqa: S608  # only constants of this file go in
"""Ends the codes and tokens that an account made, in one scope and beneath or everywhere, and could not make now."""

MEMBERSHIP_LOST = f"""
CREATE FUNCTION partner.membership_lost() RETURNS trigger LANGUAGE plpgsql {DEFINER} AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(OLD.scope_id::text, 0));
    PERFORM partner.revoke_beyond(OLD.account_id, OLD.scope_id);
    RETURN NULL;
END $$
"""
"""Waits for whoever is making a code there, as `invites.create` takes the same lock."""

ACCOUNT_LOST = f"""
CREATE FUNCTION supervisor.account_lost() RETURNS trigger LANGUAGE plpgsql {DEFINER} AS $$
DECLARE
    caller text := coalesce(current_setting('madang.account', true), '');
BEGIN
    PERFORM partner.revoke_beyond(NEW.id, NULL);
    PERFORM set_config('madang.account', '{HOUSE}', true);
    DELETE FROM supervisor.registration_invites WHERE created_by = NEW.id;
    PERFORM set_config('madang.account', caller, true);
    RETURN NULL;
END $$
"""  # noqa: S608  # only constants of this file go in

MADE = f"""
CREATE FUNCTION partner.made_by_right() RETURNS trigger LANGUAGE plpgsql {DEFINER} AS $$
DECLARE
    caller text := coalesce(current_setting('madang.account', true), '');
    left_over integer;
BEGIN
    PERFORM set_config('madang.account', '{HOUSE}', true);
    PERFORM FROM "user".accounts a WHERE a.id = NEW.created_by FOR SHARE;
    left_over := partner.rank_left(NEW.created_by, NEW.path);
    PERFORM set_config('madang.account', caller, true);
    IF caller <> '{HOUSE}' AND left_over < partner.rank(TG_ARGV[0]) THEN
        RAISE EXCEPTION 'the maker may not make this any more' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$
"""
"""Waits for whoever is disabling the maker or taking their supervising away, and then refuses what comes too late."""

INNER = (
    "partner.rank_left(uuid, uuid[])",
    "partner.revoke_beyond(uuid, uuid)",
    "partner.membership_lost()",
    "supervisor.account_lost()",
    "partner.made_by_right()",
)


def upgrade() -> None:
    for statement in (RANK_LEFT, REVOKE_BEYOND, MEMBERSHIP_LOST, ACCOUNT_LOST, MADE):
        op.execute(statement)
    for function in INNER:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    for table, least in (("invites", "manager"), ("scim_tokens", "admin")):
        op.execute(
            f"CREATE TRIGGER made_by_right BEFORE INSERT ON partner.{table} FOR EACH ROW"
            f" WHEN (NEW.created_by IS NOT NULL) EXECUTE FUNCTION partner.made_by_right('{least}')"
        )
    op.execute("CREATE INDEX ix_scim_tokens_created_by ON partner.scim_tokens (created_by)")
    op.execute("CREATE INDEX ix_registration_invites_created_by ON supervisor.registration_invites (created_by)")
    op.execute(
        "CREATE TRIGGER membership_lost AFTER DELETE OR UPDATE OF role, status ON partner.memberships"
        " FOR EACH ROW EXECUTE FUNCTION partner.membership_lost()"
    )
    op.execute(
        'CREATE TRIGGER account_lost AFTER UPDATE ON "user".accounts FOR EACH ROW WHEN ('
        "(OLD.is_supervisor AND NOT NEW.is_supervisor) OR (OLD.disabled_at IS NULL AND NEW.disabled_at IS NOT NULL)"
        " OR (OLD.deletion_at IS NULL AND NEW.deletion_at IS NOT NULL)"
        " OR (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL))"
        " EXECUTE FUNCTION supervisor.account_lost()"
    )


def downgrade() -> None:
    op.execute('DROP TRIGGER account_lost ON "user".accounts')
    op.execute("DROP TRIGGER membership_lost ON partner.memberships")
    for table in ("invites", "scim_tokens"):
        op.execute(f"DROP TRIGGER made_by_right ON partner.{table}")
    op.execute("DROP INDEX supervisor.ix_registration_invites_created_by")
    op.execute("DROP INDEX partner.ix_scim_tokens_created_by")
    for function in reversed(INNER):
        op.execute(f"DROP FUNCTION {function}")
