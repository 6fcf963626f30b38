"""The functions of the ledger in PostgreSQL: reserving, booking, and who may know about it."""

from madang.kernel.db import HOUSE

LEDGER_LOCK = "hashtextextended('partner.ledger', 0)"
"""Shared by all that book and reserve, exclusive for making and deleting budgets: a new budget misses no call."""

RESERVE = f"""
CREATE FUNCTION partner.reserve_usage(
    reservation uuid, account uuid, place uuid[], run uuid, for_agent text, of_kind text, for_model text,
    input bigint, most bigint, least_useful bigint, input_price bigint, output_price bigint, flat bigint,
    seconds double precision
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    b partner.budgets;
    w partner.budget_windows;
    fits numeric;
    granted bigint := most;
    cost bigint;
    tightest numeric;
    refusal jsonb;
    ids uuid[] := '{{}}';
    starts timestamptz[] := '{{}}';
    units text[] := '{{}}';
    amounts bigint[] := '{{}}';
BEGIN
    PERFORM pg_advisory_xact_lock_shared({LEDGER_LOCK});
    FOR b IN SELECT * FROM partner.budgets
        WHERE subject_id = ANY (partner.subjects_of(account, place)) ORDER BY id
    LOOP
        IF b.unit = 'money' AND (input_price IS NULL OR output_price IS NULL) THEN
            RETURN jsonb_build_object('unpriced', true);
        END IF;
        SELECT * INTO w FROM partner.budget_windows
            WHERE budget_id = b.id AND starts_at = partner.window_start(b, now()) FOR UPDATE;
        IF NOT FOUND THEN
            INSERT INTO partner.budget_windows (budget_id, starts_at, ends_at)
                VALUES (b.id, partner.window_start(b, now()), partner.window_end(b, now())) ON CONFLICT DO NOTHING;
            SELECT * INTO w FROM partner.budget_windows
                WHERE budget_id = b.id AND starts_at = partner.window_start(b, now()) FOR UPDATE;
        END IF;
        fits := b.amount::numeric - w.spent - w.reserved;
        IF b.unit = 'tokens' THEN
            fits := CASE WHEN input + most = 0 THEN 0 ELSE fits - input END;
        ELSIF output_price > 0 THEN
            fits := floor(((fits - flat) * 1000 - input::numeric * input_price) / output_price);
        ELSE
            fits := CASE WHEN input_price + flat = 0 OR input::numeric * input_price <= (fits - flat) * 1000
                THEN most ELSE -1 END;
        END IF;
        IF fits < least_useful AND (tightest IS NULL OR fits < tightest) THEN
            tightest := fits;
            refusal := jsonb_build_object('budget_id', b.id, 'subject_kind', b.subject_kind, 'subject_id', b.subject_id,
                'path', b.path, 'unit', b.unit, 'period', b.period, 'amount', b.amount, 'spent', w.spent,
                'reserved', w.reserved,
                'starts_at', w.starts_at, 'ends_at', w.ends_at, 'reached', w.reached);
        END IF;
        granted := least(granted, fits);
        ids := ids || b.id;
        starts := starts || w.starts_at;
        units := units || b.unit;
    END LOOP;
    IF refusal IS NOT NULL THEN
        RETURN jsonb_build_object('refused', refusal);
    END IF;
    IF cardinality(ids) = 0 THEN
        RETURN jsonb_build_object('granted', NULL);
    END IF;
    cost := flat + coalesce(ceil((input::numeric * input_price + granted::numeric * output_price) / 1000), 0);
    FOR i IN 1..cardinality(ids) LOOP
        amounts := amounts || CASE units[i] WHEN 'tokens' THEN input + granted ELSE cost END;
        UPDATE partner.budget_windows SET reserved = reserved + amounts[i]
            WHERE budget_id = ids[i] AND starts_at = starts[i];
    END LOOP;
    INSERT INTO partner.reservations VALUES (reservation, account, place, run, for_agent, of_kind, for_model, input,
        granted, cost, ids, starts, amounts, now(), now() + make_interval(secs => seconds));
    RETURN jsonb_build_object('granted', granted);
END $$
"""  # noqa: S608  # only constants of this file go in
"""Holds what a call may cost at most in every budget that binds it, or in none; the windows are locked in one order.

Prices are millionths of a currency unit for a million tokens, `flat` is in billionths of one. `granted` is how many
output tokens the call may take: `most`, or fewer when less is left, but never fewer than `least_useful`; it is null
when no budget binds. What takes no tokens at all, as most tools, is not for budgets in tokens to refuse.
"""

BOOK = f"""
CREATE FUNCTION partner.book_usage(calls jsonb, zone text) RETURNS TABLE (
    budget_id uuid, subject_kind text, subject_id uuid, path uuid[], unit text, period text, amount bigint,
    spent bigint, starts_at timestamptz, ends_at timestamptz, reached smallint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    freed partner.reservations[] := '{{}}';
    booked partner.usage[];
    moved partner.budget_windows[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared({LEDGER_LOCK});
    IF jsonb_path_exists(calls, '$[*].reservation_id ? (@ != null)') THEN
        WITH gone AS (
            DELETE FROM partner.reservations WHERE id IN (
                SELECT (one ->> 'reservation_id')::uuid FROM jsonb_array_elements(calls) one)
            RETURNING *
        ) SELECT coalesce(array_agg(ROW(gone.*)::partner.reservations), '{{}}') INTO freed FROM gone;
    END IF;
    WITH made AS (
        INSERT INTO partner.usage (id, created_at, account_id, scope_path, run_id, agent, kind, model, outcome,
            is_priced, input_tokens, cached_tokens, output_tokens, cost, latency_ms)
        SELECT c.id, coalesce(f.created_at, c.created_at), c.account_id, c.scope_path, c.run_id, c.agent, c.kind,
            c.model, c.outcome, c.is_priced, c.input_tokens, c.cached_tokens, c.output_tokens, c.cost, c.latency_ms
        FROM jsonb_to_recordset(calls) c (id uuid, created_at timestamptz, account_id uuid, scope_path uuid[],
            run_id uuid, agent text, kind text, model text, outcome text, is_priced boolean, input_tokens bigint,
            cached_tokens bigint, output_tokens bigint, cost bigint, latency_ms bigint, reservation_id uuid)
        LEFT JOIN unnest(freed) f ON f.id = c.reservation_id
        WHERE c.reservation_id IS NULL OR f.id IS NOT NULL
        ON CONFLICT DO NOTHING RETURNING *
    ) SELECT coalesce(array_agg(ROW(made.*)::partner.usage), '{{}}') INTO booked FROM made;
    WITH touched AS (
        INSERT INTO partner.budget_windows AS w (budget_id, starts_at, ends_at, spent, reserved)
        SELECT d.budget_id, d.starts_at, max(d.ends_at), sum(d.spent), sum(d.reserved) FROM (
            SELECT b.id AS budget_id, partner.window_start(b, u.created_at) AS starts_at,
                partner.window_end(b, u.created_at) AS ends_at, 0 AS reserved,
                CASE b.unit WHEN 'tokens' THEN u.input_tokens + u.output_tokens ELSE u.cost END AS spent
            FROM unnest(booked) u
            JOIN partner.budgets b ON b.subject_id = ANY (partner.subjects_of(u.account_id, u.scope_path))
            WHERE u.created_at >= b.since
            UNION ALL
            SELECT h.budget_id, h.starts_at, NULL, -h.amount, 0
            FROM unnest(freed) f
            CROSS JOIN unnest(f.budget_ids, f.window_starts, f.amounts) h (budget_id, starts_at, amount)
            JOIN partner.budgets b ON b.id = h.budget_id
        ) d GROUP BY d.budget_id, d.starts_at ORDER BY d.budget_id, d.starts_at
        ON CONFLICT (budget_id, starts_at)
            DO UPDATE SET spent = w.spent + excluded.spent, reserved = w.reserved + excluded.reserved
        RETURNING w.*
    ) SELECT coalesce(array_agg(ROW(touched.*)::partner.budget_windows), '{{}}') INTO moved FROM touched;
    INSERT INTO partner.usage_days AS d (day, time_zone, account_id, scope_path, agent, kind, model, calls,
        input_tokens, cached_tokens, output_tokens, cost, latency_ms)
    SELECT (u.created_at AT TIME ZONE zone)::date, zone, u.account_id, u.scope_path, u.agent, u.kind, u.model, count(*),
        sum(u.input_tokens), sum(u.cached_tokens), sum(u.output_tokens), sum(u.cost), sum(u.latency_ms)
    FROM unnest(booked) u GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (day, account_id, scope_path, agent, kind, model, time_zone) DO UPDATE SET
        calls = d.calls + excluded.calls, input_tokens = d.input_tokens + excluded.input_tokens,
        cached_tokens = d.cached_tokens + excluded.cached_tokens, cost = d.cost + excluded.cost,
        output_tokens = d.output_tokens + excluded.output_tokens, latency_ms = d.latency_ms + excluded.latency_ms;
    IF cardinality(moved) > 0 THEN
        RETURN QUERY
        UPDATE partner.budget_windows w SET reached = now_at.reached
        FROM (
            SELECT m.budget_id, m.starts_at, b AS budget, partner.percent_reached(m.spent, b.amount) AS reached
            FROM unnest(moved) m JOIN partner.budgets b ON b.id = m.budget_id
        ) now_at
        WHERE w.budget_id = now_at.budget_id AND w.starts_at = now_at.starts_at AND w.reached < now_at.reached
        RETURNING w.budget_id, (now_at.budget).subject_kind, (now_at.budget).subject_id, (now_at.budget).path,
            (now_at.budget).unit, (now_at.budget).period, (now_at.budget).amount, w.spent, w.starts_at, w.ends_at,
            w.reached;
    END IF;
END $$
"""  # noqa: S608  # only constants of this file go in
"""Books calls that ended: their rows, what they hold in the budgets, the sums of the day. Repeating it adds nothing.

A call whose reservation is gone was booked when that expired. Returns the budgets of which 50, 80 or 100 % are reached
for the first time in their window.
"""

STANDING = f"""
CREATE FUNCTION partner.budgets_of(account uuid, place uuid[]) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller text := coalesce(current_setting('madang.account', true), '');
    answer jsonb;
BEGIN
    IF caller <> '{HOUSE}' AND caller <> account::text THEN
        RETURN '[]';
    END IF;
    PERFORM set_config('madang.account', '{HOUSE}', true);
    SELECT coalesce(jsonb_agg(jsonb_build_object('budget_id', b.id, 'subject_kind', b.subject_kind,
        'subject_id', b.subject_id, 'path', b.path, 'unit', b.unit, 'period', b.period, 'amount', b.amount,
        'spent', coalesce(w.spent, 0), 'reserved', coalesce(w.reserved, 0), 'reached', coalesce(w.reached, 0),
        'starts_at', partner.window_start(b, now()), 'ends_at', partner.window_end(b, now())) ORDER BY b.id), '[]')
    INTO answer
    FROM partner.budgets b
    LEFT JOIN partner.budget_windows w ON w.budget_id = b.id AND w.starts_at = partner.window_start(b, now())
    WHERE b.subject_id = ANY (partner.subjects_of(account, '{{}}'))
        OR (b.subject_id = ANY (place) AND EXISTS (SELECT FROM partner.memberships m
            WHERE m.account_id = account AND m.status = 'active' AND m.scope_id = ANY (place)));
    PERFORM set_config('madang.account', caller, true);
    RETURN answer;
END $$
"""  # noqa: S608  # only constants of this file go in
"""The budgets that bind what the caller spends in a place where it is a member, as they stand now."""

NAMES = f"""
CREATE FUNCTION partner.spender_names(ids uuid[], within uuid) RETURNS TABLE (id uuid, name text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller text := coalesce(current_setting('madang.account', true), '');
    all_of_them boolean := caller = '{HOUSE}' OR supervisor.is_supervisor();
    roots uuid[] := partner.my_roots('manager');
    blocks uuid[] := partner.my_blocks();
BEGIN
    PERFORM set_config('madang.account', '{HOUSE}', true);
    RETURN QUERY
        SELECT a.id, coalesce(nullif(a.name, ''), a.email) FROM "user".accounts a
        WHERE a.id = ANY (ids) AND (all_of_them OR a.id::text = caller OR EXISTS (
            SELECT FROM partner.memberships m
            WHERE m.account_id = a.id AND within = ANY (m.path) AND m.path && roots AND NOT m.path && blocks));
    PERFORM set_config('madang.account', caller, true);
END $$
"""  # noqa: S608  # only constants of this file go in
"""Names of those among the accounts that the caller manages: members at or beneath `within`. Supervisors see all."""
