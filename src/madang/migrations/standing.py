"""The functions of scopes in PostgreSQL: who stands where, which every rule of a tenant's table asks."""

from madang.kernel.db import HOUSE

DEFINER = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
"""A function of the tables' owner, in which no name can be put before ours."""


def _as_house(signature: str, returns: str, value: str) -> str:
    """A function that works its value out with the house's eyes and gives the caller's back before it returns."""
    return f"""
        CREATE FUNCTION {signature} RETURNS {returns} LANGUAGE plpgsql STABLE {DEFINER} AS $$
        DECLARE
            caller text := coalesce(current_setting('madang.account', true), '');
            answer {returns};
        BEGIN
            PERFORM set_config('madang.account', '{HOUSE}', true);
            answer := ({value});
            PERFORM set_config('madang.account', caller, true);
            RETURN answer;
        END $$
    """


FUNCTIONS = (
    _as_house(
        "supervisor.supervises(account uuid)",
        "boolean",
        """
        EXISTS (SELECT FROM "user".accounts a
                WHERE a.id = account AND a.is_supervisor AND a.disabled_at IS NULL AND a.deleted_at IS NULL)
        """,
    ),
    f"""
    CREATE FUNCTION supervisor.is_supervisor() RETURNS boolean LANGUAGE sql STABLE {DEFINER} AS
    $$ SELECT coalesce(current_setting('madang.plain', true), '') <> 'yes'
        AND coalesce(supervisor.supervises(supervisor.scope_account()), false) $$
    """,
    """
    CREATE FUNCTION partner.rank(role text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT array_position(ARRAY['student', 'instructor', 'manager', 'admin', 'owner'], role) $$
    """,
    _as_house(
        "partner.state_of(place uuid[])",
        "text",
        """
        SELECT CASE WHEN count(*) FILTER (WHERE s.deleted_at IS NOT NULL) > 0 THEN 'deleted'
                    WHEN count(*) FILTER (WHERE s.status = 'suspended') > 0 THEN 'suspended' ELSE 'active' END
        FROM partner.scopes s WHERE s.id = ANY (place)
        """,
    ),
    _as_house(
        "partner.roots_of(account uuid, at_least text, living boolean)",
        "uuid[]",
        """
        SELECT coalesce(array_agg(m.scope_id), '{}') FROM partner.memberships m
        WHERE m.account_id = account AND m.status = 'active' AND partner.rank(m.role) >= partner.rank(at_least)
          AND NOT EXISTS (SELECT FROM partner.memberships b
                          WHERE b.account_id = account AND b.status = 'suspended' AND b.scope_id = ANY (m.path))
          AND (NOT living OR NOT EXISTS (
                SELECT FROM partner.scopes s
                WHERE s.id = ANY (m.path) AND (s.status = 'suspended' OR s.deleted_at IS NOT NULL)))
        """,
    ),
    _as_house(
        "partner.blocks_of(account uuid, living boolean)",
        "uuid[]",
        """
        SELECT coalesce(array_agg(one.id), '{}') FROM (
            SELECT m.scope_id AS id FROM partner.memberships m WHERE m.account_id = account AND m.status = 'suspended'
            UNION ALL
            SELECT s.id FROM partner.scopes s
            WHERE living AND (s.status = 'suspended' OR s.deleted_at IS NOT NULL)
              AND s.path && (SELECT array_agg(m.scope_id) FROM partner.memberships m WHERE m.account_id = account)
        ) one
        """,
    ),
    _as_house(
        "partner.scopes_of(account uuid, at_least text)",
        "uuid[]",
        """
        SELECT coalesce(array_agg(s.id), '{}') FROM partner.scopes s
        WHERE s.path && (SELECT partner.roots_of(account, at_least, true))
          AND NOT s.path && (SELECT partner.blocks_of(account, true))
        """,
    ),
    f"""
    CREATE FUNCTION partner.my_roots(at_least text, living boolean DEFAULT true) RETURNS uuid[]
    LANGUAGE sql STABLE {DEFINER} AS $$ SELECT partner.roots_of(supervisor.scope_account(), at_least, living) $$
    """,
    f"""
    CREATE FUNCTION partner.my_blocks(living boolean DEFAULT true) RETURNS uuid[]
    LANGUAGE sql STABLE {DEFINER} AS $$ SELECT partner.blocks_of(supervisor.scope_account(), living) $$
    """,
    f"""
    CREATE FUNCTION partner.my_scopes(at_least text DEFAULT 'student') RETURNS uuid[]
    LANGUAGE sql STABLE {DEFINER} AS $$ SELECT partner.scopes_of(supervisor.scope_account(), at_least) $$
    """,
    f"""
    CREATE FUNCTION partner.managed_scopes() RETURNS uuid[]
    LANGUAGE sql STABLE {DEFINER} AS $$ SELECT partner.my_scopes('manager') $$
    """,
    _as_house(
        "partner.memberships_of(account uuid)",
        "jsonb",
        """
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'id', m.id, 'scope_id', s.id, 'kind', s.kind, 'name', s.name, 'path', s.path, 'role', m.role,
            'names', (SELECT jsonb_agg(u.name ORDER BY cardinality(u.path))
                      FROM partner.scopes u WHERE u.id = ANY (s.path)),
            'status', CASE WHEN EXISTS (SELECT FROM partner.memberships b WHERE b.account_id = account
                                        AND b.status = 'suspended' AND b.scope_id = ANY (s.path))
                           THEN 'suspended' ELSE 'active' END,
            'scope_status', partner.state_of(s.path), 'joined_at', m.created_at) ORDER BY m.id), '[]')
        FROM partner.memberships m JOIN partner.scopes s ON s.id = m.scope_id
        WHERE m.account_id = account AND partner.state_of(s.path) <> 'deleted'
        """,
    ),
    _as_house(
        "partner.highest_rank_of(account uuid, place uuid[])",
        "integer",
        """
        SELECT max(partner.rank(m.role)) FROM partner.memberships m
        WHERE m.account_id = account AND m.scope_id = ANY (place)
        """,
    ),
    """
    CREATE FUNCTION partner.rank_of(account uuid, place uuid[]) RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT coalesce(partner.highest_rank_of(account, place), 0)
        WHERE current_setting('madang.account', true) = 'house' OR supervisor.is_supervisor()
            OR place && partner.my_roots('manager')
    $$
    """,
    f"""
    CREATE FUNCTION partner.my_memberships() RETURNS jsonb
    LANGUAGE sql STABLE {DEFINER} AS $$ SELECT partner.memberships_of(supervisor.scope_account()) $$
    """,
    _as_house(
        "partner.member_page(wanted uuid, sought text, of_role text, after uuid, at_most bigint)",
        "jsonb",
        """
        SELECT coalesce(jsonb_agg(to_jsonb(page) ORDER BY page.id), '[]') FROM (
            SELECT m.id, m.account_id, a.email, a.name, m.role, m.status, m.created_at AS joined_at
            FROM partner.memberships m JOIN "user".accounts a ON a.id = m.account_id
            WHERE m.scope_id = wanted AND (after IS NULL OR m.id > after) AND (of_role IS NULL OR m.role = of_role)
              AND (sought IS NULL OR strpos(lower(a.email), lower(sought)) > 0
                   OR strpos(lower(a.name), lower(sought)) > 0)
            ORDER BY m.id LIMIT at_most
        ) page
        """,
    ),
    """
    CREATE FUNCTION partner.members_of(wanted uuid, sought text, of_role text, after uuid, at_most bigint)
    RETURNS jsonb LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        place uuid[] := (SELECT s.path FROM partner.scopes s WHERE s.id = wanted);
    BEGIN
        IF current_setting('madang.account', true) = 'house' OR supervisor.is_supervisor()
            OR (place && partner.my_roots('instructor', false) AND NOT place && partner.my_blocks(false)) THEN
            RETURN partner.member_page(wanted, sought, of_role, after, at_most);
        END IF;
        RETURN '[]';
    END $$
    """,
    """
    CREATE FUNCTION partner.keep_an_owner() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        caller text := coalesce(current_setting('madang.account', true), '');
        orphaned boolean;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended(OLD.scope_id::text, 0));
        PERFORM set_config('madang.account', 'house', true);
        orphaned := EXISTS (SELECT FROM partner.scopes s WHERE s.id = OLD.scope_id AND s.deleted_at IS NULL)
            AND NOT EXISTS (SELECT FROM partner.memberships m WHERE m.scope_id = OLD.scope_id AND m.role = 'owner');
        PERFORM set_config('madang.account', caller, true);
        IF orphaned THEN
            RAISE EXCEPTION 'an organisation keeps an owner' USING ERRCODE = 'check_violation',
                CONSTRAINT = 'ck_memberships_an_owner_stays', SCHEMA = 'partner', TABLE = 'memberships';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER an_owner_stays AFTER UPDATE OR DELETE ON partner.memberships
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.role = 'owner') EXECUTE FUNCTION partner.keep_an_owner()
    """,
)

INNER_FUNCTIONS = (
    "supervisor.supervises(uuid)",
    "partner.roots_of(uuid, text, boolean)",
    "partner.blocks_of(uuid, boolean)",
    "partner.scopes_of(uuid, text)",
    "partner.memberships_of(uuid)",
    "partner.highest_rank_of(uuid, uuid[])",
    "partner.member_page(uuid, text, text, uuid, bigint)",
    "partner.keep_an_owner()",
)
"""What answers about anybody is the owner's alone; the application asks the functions about the caller."""
