"""Usage, budgets and reservations; what must be decided at once is decided in PostgreSQL."""

from alembic import op

from madang.kernel.db import APP_ROLE, HOUSE
from madang.migrations.ledger import BOOK, LEDGER_LOCK, NAMES, RESERVE, STANDING

revision = "0013_usage"
down_revision = "0012_scim"
branch_labels = None
depends_on = None

NOBODY = "00000000-0000-0000-0000-000000000000"
"""Stands for the house itself among accounts, and for the platform among the subjects of budgets."""

MEASURES = """
    input_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cost bigint NOT NULL,
    latency_ms bigint NOT NULL
"""

TABLES = (
    'ALTER TABLE "user".sessions ADD COLUMN scope_id uuid',
    """
    ALTER TABLE "user".sessions ADD CONSTRAINT fk_sessions_scope_id_scopes
        FOREIGN KEY (scope_id) REFERENCES partner.scopes ON DELETE SET NULL
    """,
    'ALTER TABLE "user".runs ADD COLUMN unbooked jsonb',
    """CREATE INDEX ix_runs_unbooked ON "user".runs (finished_at) WHERE unbooked IS NOT NULL""",
    """CREATE INDEX ix_sessions_scope_id ON "user".sessions (scope_id) WHERE scope_id IS NOT NULL""",
    f"""
    CREATE TABLE partner.usage (
        id uuid NOT NULL,
        created_at timestamptz NOT NULL,
        account_id uuid NOT NULL,
        scope_path uuid[] NOT NULL,
        run_id uuid,
        agent text NOT NULL,
        kind text NOT NULL CONSTRAINT ck_usage_kind CHECK (kind IN ('chat', 'embedding', 'tool')),
        model text NOT NULL,
        outcome text NOT NULL
            CONSTRAINT ck_usage_outcome CHECK (outcome IN ('ok', 'failed', 'cut_off', 'cancelled', 'lost')),
        is_priced boolean NOT NULL,
        {MEASURES},
        CONSTRAINT pk_usage PRIMARY KEY (id, created_at),
        CONSTRAINT ck_usage_counts CHECK (least(input_tokens, cached_tokens, output_tokens, cost, latency_ms) >= 0)
    ) PARTITION BY RANGE (created_at)
    """,
    "CREATE TABLE partner.usage_rest PARTITION OF partner.usage DEFAULT",
    "SELECT supervisor.open_months('partner', 'usage')",
    "CREATE INDEX ix_usage_run_id ON partner.usage (run_id) WHERE run_id IS NOT NULL",
    "CREATE INDEX ix_usage_account_id_id ON partner.usage (account_id, id)",
    f"""
    CREATE TABLE partner.usage_days (
        day date NOT NULL,
        time_zone text NOT NULL,
        account_id uuid NOT NULL,
        scope_path uuid[] NOT NULL,
        agent text NOT NULL,
        kind text NOT NULL,
        model text NOT NULL,
        calls bigint NOT NULL,
        {MEASURES},
        CONSTRAINT pk_usage_days PRIMARY KEY (day, account_id, scope_path, agent, kind, model, time_zone)
    )
    """,
    "CREATE INDEX ix_usage_days_account_id ON partner.usage_days (account_id, day)",
    f"""
    CREATE TABLE partner.budgets (
        id uuid CONSTRAINT pk_budgets PRIMARY KEY,
        subject_kind text NOT NULL
            CONSTRAINT ck_budgets_subject_kind CHECK (subject_kind IN ('platform', 'scope', 'account')),
        subject_id uuid NOT NULL,
        scope_id uuid GENERATED ALWAYS AS (CASE subject_kind WHEN 'scope' THEN subject_id END) STORED,
        path uuid[] NOT NULL,
        unit text NOT NULL CONSTRAINT ck_budgets_unit CHECK (unit IN ('money', 'tokens')),
        amount bigint NOT NULL CONSTRAINT ck_budgets_amount CHECK (amount >= 0),
        period text NOT NULL CONSTRAINT ck_budgets_period CHECK (period IN ('day', 'week', 'month', 'total')),
        time_zone text NOT NULL,
        since timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT uq_budgets_subject_id_unit_period UNIQUE (subject_id, unit, period),
        CONSTRAINT ck_budgets_platform CHECK ((subject_kind = 'platform') = (subject_id = '{NOBODY}')),
        CONSTRAINT ck_budgets_path CHECK ((subject_kind = 'scope') = (cardinality(path) > 0)),
        CONSTRAINT fk_budgets_scope_id_path_scopes FOREIGN KEY (scope_id, path)
            REFERENCES partner.scopes (id, path) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_budgets_scope_id ON partner.budgets (scope_id)",
    """
    CREATE TABLE partner.budget_windows (
        budget_id uuid NOT NULL
            CONSTRAINT fk_budget_windows_budget_id_budgets REFERENCES partner.budgets ON DELETE CASCADE,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz,
        spent bigint NOT NULL DEFAULT 0,
        reserved bigint NOT NULL DEFAULT 0,
        reached smallint NOT NULL DEFAULT 0,
        CONSTRAINT pk_budget_windows PRIMARY KEY (budget_id, starts_at)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE partner.reservations (
        id uuid CONSTRAINT pk_reservations PRIMARY KEY,
        account_id uuid NOT NULL,
        scope_path uuid[] NOT NULL,
        run_id uuid,
        agent text NOT NULL,
        kind text NOT NULL,
        model text NOT NULL,
        input_tokens bigint NOT NULL,
        output_tokens bigint NOT NULL,
        cost bigint NOT NULL,
        budget_ids uuid[] NOT NULL,
        window_starts timestamptz[] NOT NULL,
        amounts bigint[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ix_reservations_expires_at ON partner.reservations (expires_at)",
)

CLOCKS_SHOW = """
CREATE FUNCTION partner.clocks_show(local timestamp, zone text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN (then_ - '1 hour'::interval) AT TIME ZONE zone = local THEN then_ - '1 hour'::interval
        WHEN (then_ - '30 min'::interval) AT TIME ZONE zone = local THEN then_ - '30 min'::interval
        ELSE then_ END
    FROM (SELECT local AT TIME ZONE zone AS then_) AS one
$$
"""
"""The first moment at which clocks there show this, or the first after it where they skip it.

In Havana and on the Azores midnight comes twice where summer ends; PostgreSQL itself takes the second.
"""

PERIOD_START = """
CREATE FUNCTION partner.period_start(period text, at timestamptz, zone text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$ SELECT partner.clocks_show(date_trunc(period, at AT TIME ZONE zone), zone) $$
"""

WINDOW_START = """
CREATE FUNCTION partner.window_start(b partner.budgets, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT CASE b.period WHEN 'total' THEN b.since ELSE partner.period_start(b.period, at, b.time_zone) END
$$
"""

WINDOW_END = """
CREATE FUNCTION partner.window_end(b partner.budgets, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN b.period <> 'total' THEN
        partner.clocks_show(
            date_trunc(b.period, at AT TIME ZONE b.time_zone) + ('1 ' || b.period)::interval, b.time_zone)
    END
$$
"""

SUBJECTS = f"""
CREATE FUNCTION partner.subjects_of(account uuid, place uuid[]) RETURNS uuid[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT place || account || '{NOBODY}'::uuid $$
"""
"""Whose budgets bind what an account spends in a place: the scopes', its own, the platform's."""

OPEN_BUDGET = f"""
CREATE FUNCTION partner.open_budget() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller text := coalesce(current_setting('madang.account', true), '');
    start timestamptz := partner.window_start(NEW, now());
    first date := start AT TIME ZONE NEW.time_zone;
    already bigint := 0;
    is_mixed boolean := false;
BEGIN
    PERFORM pg_advisory_xact_lock({LEDGER_LOCK});
    PERFORM set_config('madang.account', '{HOUSE}', true);
    IF NEW.period <> 'total' THEN
        SELECT coalesce(sum(CASE NEW.unit WHEN 'tokens' THEN d.input_tokens + d.output_tokens ELSE d.cost END)
                FILTER (WHERE d.day >= first), 0),
            coalesce(bool_or(d.time_zone <> NEW.time_zone), false)
        INTO already, is_mixed FROM partner.usage_days d
        WHERE d.day >= first - 2 AND CASE NEW.subject_kind
            WHEN 'platform' THEN true WHEN 'account' THEN d.account_id = NEW.subject_id
            ELSE d.scope_path @> ARRAY[NEW.subject_id] END;
    END IF;
    IF is_mixed THEN
        SELECT coalesce(sum(CASE NEW.unit WHEN 'tokens' THEN u.input_tokens + u.output_tokens ELSE u.cost END), 0)
        INTO already FROM partner.usage u
        WHERE u.created_at >= start AND CASE NEW.subject_kind
            WHEN 'platform' THEN true WHEN 'account' THEN u.account_id = NEW.subject_id
            ELSE u.scope_path @> ARRAY[NEW.subject_id] END;
    END IF;
    INSERT INTO partner.budget_windows (budget_id, starts_at, ends_at, spent)
    VALUES (NEW.id, start, partner.window_end(NEW, now()), already);
    PERFORM set_config('madang.account', caller, true);
    RETURN NULL;
END $$
"""  # noqa: S608  # only constants of this file go in
"""The first window of a budget holds what was spent in it before the budget was made.

The sums of the days say it in a tenth of the time that the calls take; windows begin with a day. Only where days of
the window were summed by the clocks of another place, after MADANG_TIME_ZONE was changed, the calls are asked.
"""

CLOSE_BUDGET = f"""
CREATE FUNCTION partner.close_budget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock({LEDGER_LOCK});
    RETURN OLD;
END $$
"""

RETHINK_BUDGET = f"""
CREATE FUNCTION partner.rethink_budget() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller text := coalesce(current_setting('madang.account', true), '');
BEGIN
    PERFORM set_config('madang.account', '{HOUSE}', true);
    UPDATE partner.budget_windows w SET reached = least(w.reached, partner.percent_reached(w.spent, NEW.amount))
        WHERE w.budget_id = NEW.id AND w.starts_at = partner.window_start(NEW, now());
    PERFORM set_config('madang.account', caller, true);
    RETURN NULL;
END $$
"""  # noqa: S608  # only constants of this file go in
"""What a larger limit has not reached any more is told again when it is reached."""

PERCENT = """
CREATE FUNCTION partner.percent_reached(spent bigint, amount bigint) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN spent >= amount THEN 100 WHEN spent::numeric * 100 >= amount::numeric * 80 THEN 80
        WHEN spent::numeric * 100 >= amount::numeric * 50 THEN 50 ELSE 0 END::smallint
$$
"""


HOUSE_ONLY = f"current_setting('madang.account', true) = '{HOUSE}'"
ANYBODY = f"{HOUSE_ONLY} OR (SELECT supervisor.is_supervisor())"


def _within(role: str, path: str) -> str:
    return f"({path} && (SELECT partner.my_roots('{role}')) AND NOT {path} && (SELECT partner.my_blocks()))"


SPENT = f"{ANYBODY} OR account_id = supervisor.scope_account() OR {_within('manager', 'scope_path')}"
OWN_BUDGET = "(subject_kind = 'account' AND subject_id = supervisor.scope_account())"
SEEN_BY = f"{ANYBODY} OR {OWN_BUDGET} OR {_within('manager', 'path')}"
OF_SEEN = f"{HOUSE_ONLY} OR budget_id IN (SELECT id FROM partner.budgets)"  # noqa: S608  # as above
SET_BY = f"{ANYBODY} OR {_within('admin', 'path')}"

POLICIES = (
    f"CREATE POLICY usage_read ON partner.usage FOR SELECT USING ({SPENT})",
    f"CREATE POLICY usage_add ON partner.usage FOR INSERT WITH CHECK ({HOUSE_ONLY})",
    f"CREATE POLICY usage_days_read ON partner.usage_days FOR SELECT USING ({SPENT})",
    f"CREATE POLICY usage_days_add ON partner.usage_days FOR INSERT WITH CHECK ({HOUSE_ONLY})",
    f"CREATE POLICY usage_days_sum ON partner.usage_days FOR UPDATE USING ({HOUSE_ONLY})",
    f"CREATE POLICY budgets_read ON partner.budgets FOR SELECT USING ({SEEN_BY})",
    f"CREATE POLICY budgets_add ON partner.budgets FOR INSERT WITH CHECK ({SET_BY})",
    f"CREATE POLICY budgets_change ON partner.budgets FOR UPDATE USING ({SET_BY}) WITH CHECK ({SET_BY})",
    f"CREATE POLICY budgets_remove ON partner.budgets FOR DELETE USING ({SET_BY})",
    f"CREATE POLICY budget_windows_read ON partner.budget_windows FOR SELECT USING ({OF_SEEN})",
    f"CREATE POLICY budget_windows_write ON partner.budget_windows USING ({HOUSE_ONLY}) WITH CHECK ({HOUSE_ONLY})",
    f"CREATE POLICY reservations_house ON partner.reservations USING ({HOUSE_ONLY}) WITH CHECK ({HOUSE_ONLY})",
)

GUARDED = ("usage", "usage_days", "budgets", "budget_windows", "reservations")
FUNCTIONS = (
    CLOCKS_SHOW,
    PERIOD_START,
    WINDOW_START,
    WINDOW_END,
    SUBJECTS,
    PERCENT,
    OPEN_BUDGET,
    CLOSE_BUDGET,
    RETHINK_BUDGET,
    RESERVE,
    BOOK,
    STANDING,
    NAMES,
)


def upgrade() -> None:
    for statement in (*TABLES, *FUNCTIONS):
        op.execute(statement)
    op.execute(
        "CREATE TRIGGER open_budget AFTER INSERT ON partner.budgets FOR EACH ROW EXECUTE FUNCTION partner.open_budget()"
    )
    op.execute(
        "CREATE TRIGGER close_budget BEFORE DELETE ON partner.budgets"
        " FOR EACH ROW EXECUTE FUNCTION partner.close_budget()"
    )
    op.execute(
        "CREATE TRIGGER rethink_budget AFTER UPDATE OF amount ON partner.budgets"
        " FOR EACH ROW EXECUTE FUNCTION partner.rethink_budget()"
    )
    for table in GUARDED:
        op.execute(f"ALTER TABLE partner.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE partner.{table} FORCE ROW LEVEL SECURITY")
    for statement in POLICIES:
        op.execute(statement)
    op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON partner.usage FROM {APP_ROLE}")
    op.execute(f"REVOKE ALL ON partner.usage_rest FROM {APP_ROLE}")
    op.execute(f"REVOKE DELETE, TRUNCATE ON partner.usage_days FROM {APP_ROLE}")
    op.execute(f"REVOKE UPDATE ON partner.budgets FROM {APP_ROLE}")
    op.execute(f"GRANT UPDATE (amount) ON partner.budgets TO {APP_ROLE}")


def downgrade() -> None:
    op.execute('ALTER TABLE "user".sessions DROP COLUMN scope_id')
    op.execute('ALTER TABLE "user".runs DROP COLUMN unbooked')
    for function in ("spender_names", "budgets_of", "book_usage", "reserve_usage"):
        op.execute(f"DROP FUNCTION partner.{function}")
    for table in ("reservations", "budget_windows"):
        op.execute(f"DROP TABLE partner.{table}")
    op.execute("DROP FUNCTION partner.window_start, partner.window_end, partner.subjects_of")
    for table in ("budgets", "usage_days", "usage"):
        op.execute(f"DROP TABLE partner.{table}")
    op.execute("DROP FUNCTION partner.close_budget, partner.open_budget, partner.rethink_budget")
    op.execute("DROP FUNCTION partner.period_start, partner.clocks_show")
    op.execute("DROP FUNCTION partner.percent_reached")
