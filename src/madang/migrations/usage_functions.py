"""The ledger's functions as of reservations that grow: reserving a step, extending, booking and correcting.

Those of `ledger.py` are what the first migration made; processes of an older version still call `book_usage`.
"""

from madang.kernel.db import HOUSE
from madang.migrations.ledger import LEDGER_LOCK

OUTPUT_FITS = """
CREATE OR REPLACE FUNCTION partner.output_fits(
    unit text, left_over numeric, input bigint, most bigint, input_price bigint, output_price bigint, flat bigint
) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN unit = 'tokens' THEN CASE WHEN input + most = 0 THEN 0 ELSE left_over - input END
        WHEN output_price > 0 THEN floor(((left_over - flat) * 1000 - input::numeric * input_price) / output_price)
        WHEN input_price + flat = 0 OR input::numeric * input_price <= (left_over - flat) * 1000 THEN most
        ELSE -1
    END
$$
"""
"""How many output tokens of a call fit into what is left of a budget, `most` where they cost nothing; -1 for none."""

RESERVE = f"""
CREATE OR REPLACE FUNCTION partner.reserve_usage(
    reservation uuid, account uuid, place uuid[], run uuid, for_agent text, of_kind text, for_model text,
    input bigint, most bigint, least_useful bigint, input_price bigint, output_price bigint, flat bigint,
    seconds double precision
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    b partner.budgets;
    w partner.budget_windows;
    fits numeric;
    affords numeric := 9e15;
    granted bigint := most;
    cost bigint;
    is_held boolean;
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
        fits := partner.output_fits(
            b.unit, b.amount::numeric - w.spent - w.reserved, input, most, input_price, output_price, flat);
        IF fits < least_useful THEN
            is_held := least_useful <= partner.output_fits(
                b.unit, b.amount::numeric - w.spent, input, most, input_price, output_price, flat);
            IF refusal IS NULL OR ((refusal ->> 'held')::boolean, -fits) > (is_held, -tightest) THEN
                tightest := fits;
                refusal := jsonb_build_object('budget_id', b.id, 'subject_kind', b.subject_kind,
                    'subject_id', b.subject_id, 'path', b.path, 'unit', b.unit, 'period', b.period,
                    'amount', b.amount, 'spent', w.spent, 'reserved', w.reserved, 'starts_at', w.starts_at,
                    'ends_at', w.ends_at, 'reached', w.reached, 'held', is_held);
            END IF;
        END IF;
        granted := least(granted, fits);
        affords := least(affords, CASE WHEN b.unit = 'money' AND output_price = 0 THEN affords ELSE fits END);
        ids := ids || b.id;
        starts := starts || w.starts_at;
        units := units || b.unit;
    END LOOP;
    IF refusal IS NOT NULL THEN
        RETURN jsonb_build_object('refused', refusal - 'held', 'held', refusal -> 'held');
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
    INSERT INTO partner.reservations (id, account_id, scope_path, run_id, agent, kind, model, input_tokens,
        output_tokens, cost, budget_ids, window_starts, amounts, created_at, expires_at)
    VALUES (reservation, account, place, run, for_agent, of_kind, for_model, input,
        granted, cost, ids, starts, amounts, now(), now() + make_interval(secs => seconds));
    RETURN jsonb_build_object('granted', granted, 'affords', affords::bigint);
END $$
"""  # noqa: S608  # only constants of this file go in
"""As before it, and says besides how many tokens fit now in all (`affords`), of which `most` is only the first step.

A refusal says whether it is only reservations in flight that are in the way (`held`); one that is not comes first.
"""

EXTEND = f"""
CREATE OR REPLACE FUNCTION partner.extend_reservations(calls jsonb, seconds double precision)
RETURNS TABLE (id uuid, granted bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    c record;
    b partner.budgets;
    w partner.budget_windows;
    held partner.reservations;
    more numeric;
    new_cost bigint;
    added bigint;
    added_amounts bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared({LEDGER_LOCK});
    PERFORM FROM partner.budget_windows w WHERE (w.budget_id, w.starts_at) IN (
            SELECT h.budget_id, h.starts_at FROM partner.reservations r
            CROSS JOIN unnest(r.budget_ids, r.window_starts) h (budget_id, starts_at)
            WHERE r.id IN (SELECT (one ->> 'id')::uuid FROM jsonb_array_elements(calls) one))
        ORDER BY w.budget_id, w.starts_at FOR UPDATE;
    FOR c IN SELECT * FROM jsonb_to_recordset(calls)
        AS c (id uuid, more bigint, input_price bigint, output_price bigint, flat bigint)
    LOOP
        SELECT * INTO held FROM partner.reservations r WHERE r.id = c.id FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        more := c.more;
        FOR i IN 1..cardinality(held.budget_ids) LOOP
            SELECT * INTO b FROM partner.budgets WHERE budgets.id = held.budget_ids[i];
            CONTINUE WHEN NOT FOUND;
            SELECT * INTO w FROM partner.budget_windows
                WHERE budget_id = b.id AND starts_at = held.window_starts[i] FOR UPDATE;
            CONTINUE WHEN NOT FOUND;
            more := least(more, partner.output_fits(b.unit, b.amount::numeric - w.spent - w.reserved + held.amounts[i],
                held.input_tokens, held.output_tokens + c.more, c.input_price, c.output_price, c.flat)
                - held.output_tokens);
        END LOOP;
        more := greatest(more, 0);
        new_cost := c.flat + coalesce(ceil((held.input_tokens::numeric * c.input_price
            + (held.output_tokens + more) * c.output_price) / 1000), 0);
        added_amounts := '{{}}';
        FOR i IN 1..cardinality(held.budget_ids) LOOP
            added := CASE (SELECT unit FROM partner.budgets WHERE budgets.id = held.budget_ids[i])
                WHEN 'money' THEN greatest(new_cost, held.amounts[i]) - held.amounts[i] ELSE more END;
            UPDATE partner.budget_windows SET reserved = reserved + added
                WHERE budget_id = held.budget_ids[i] AND starts_at = held.window_starts[i];
            added_amounts := added_amounts || held.amounts[i] + added;
        END LOOP;
        UPDATE partner.reservations SET output_tokens = output_tokens + more::bigint, amounts = added_amounts,
            cost = greatest(cost, new_cost), expires_at = greatest(expires_at, now() + make_interval(secs => seconds))
            WHERE reservations.id = held.id;
        id := held.id;
        granted := more;
        RETURN NEXT;
    END LOOP;
END $$
"""  # noqa: S608  # only constants of this file go in
"""Holds `more` output tokens for each call, or as many as still fit, 0 at the end; what is booked by then is left out.

Prices are those of `reserve_usage`. All windows are locked first, in the order in which everybody locks them.
"""

BOOK = f"""
CREATE OR REPLACE FUNCTION partner.book_calls(calls jsonb, zone text) RETURNS TABLE (
    budget_id uuid, subject_kind text, subject_id uuid, path uuid[], unit text, period text, amount bigint,
    spent bigint, starts_at timestamptz, ends_at timestamptz, reached smallint, corrected_run uuid
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    freed partner.reservations[] := '{{}}';
    booked partner.usage[];
    lost partner.usage[] := '{{}}';
    corrected partner.usage[] := '{{}}';
    moved partner.budget_windows[];
    late uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared({LEDGER_LOCK});
    IF jsonb_path_exists(calls, '$[*].reservation_id ? (@ != null)') THEN
        WITH gone AS (
            DELETE FROM partner.reservations WHERE id IN (
                SELECT (one ->> 'reservation_id')::uuid FROM jsonb_array_elements(calls) one)
            RETURNING *
        ) SELECT coalesce(array_agg(ROW(gone.*)::partner.reservations), '{{}}') INTO freed FROM gone;
        SELECT coalesce(array_agg(c.reservation_id), '{{}}') INTO late
        FROM jsonb_to_recordset(calls) c (reservation_id uuid, outcome text)
        WHERE c.reservation_id IS NOT NULL AND c.outcome <> 'lost'
            AND NOT EXISTS (SELECT FROM unnest(freed) f WHERE f.id = c.reservation_id);
        IF cardinality(late) > 0 THEN
            WITH found AS (
                SELECT * FROM partner.usage u WHERE u.id = ANY (late) AND u.outcome = 'lost' ORDER BY u.id FOR UPDATE
            ) SELECT coalesce(array_agg(ROW(found.*)::partner.usage), '{{}}') INTO lost FROM found;
        END IF;
    END IF;
    IF cardinality(lost) > 0 THEN
        WITH words AS (
            SELECT DISTINCT ON (c.reservation_id) c.* FROM jsonb_to_recordset(calls) c (reservation_id uuid,
                outcome text, is_priced boolean, input_tokens bigint, cached_tokens bigint, output_tokens bigint,
                cost bigint, latency_ms bigint)
            WHERE c.reservation_id = ANY (late)
        ), made AS (
            UPDATE partner.usage u SET outcome = c.outcome, is_priced = c.is_priced, input_tokens = c.input_tokens,
                cached_tokens = c.cached_tokens, output_tokens = c.output_tokens, cost = c.cost,
                latency_ms = c.latency_ms
            FROM words c, unnest(lost) l
            WHERE l.id = c.reservation_id AND u.id = l.id AND u.created_at = l.created_at AND u.outcome = 'lost'
            RETURNING u.*
        ) SELECT coalesce(array_agg(ROW(made.*)::partner.usage), '{{}}') INTO corrected FROM made;
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
                u.sign * CASE b.unit WHEN 'tokens' THEN u.input_tokens + u.output_tokens ELSE u.cost END AS spent
            FROM (SELECT *, 1 AS sign FROM unnest(booked || corrected)
                UNION ALL SELECT *, -1 FROM unnest(lost)) u
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
    SELECT (u.created_at AT TIME ZONE zone)::date, zone, u.account_id, u.scope_path, u.agent, u.kind, u.model,
        sum(u.sign), sum(u.sign * u.input_tokens), sum(u.sign * u.cached_tokens), sum(u.sign * u.output_tokens),
        sum(u.sign * u.cost), sum(u.sign * u.latency_ms)
    FROM (SELECT *, 1 AS sign FROM unnest(booked || corrected) UNION ALL SELECT *, -1 FROM unnest(lost)) u
    GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
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
            w.reached, NULL::uuid;
    END IF;
    RETURN QUERY SELECT NULL::uuid, NULL, NULL::uuid, NULL::uuid[], NULL, NULL, NULL::bigint, NULL::bigint,
        NULL::timestamptz, NULL::timestamptz, NULL::smallint, c.run_id
    FROM (SELECT DISTINCT u.run_id FROM unnest(corrected) u WHERE u.run_id IS NOT NULL) c;
END $$
"""  # noqa: S608  # only constants of this file go in
"""Books calls that ended: their rows, what they hold in the budgets, the sums of the day. Repeating it adds nothing.

What nobody renewed was booked as lost, under the id of its reservation and at all that was held. The true word for it,
however late, takes that row's place, once. Returns the budgets of which 50, 80 or 100 % are reached for the first time
in their window, and a row with only `corrected_run` for each run of which a call was corrected.
"""

EXPIRY_TRUSTED = """
CREATE OR REPLACE FUNCTION partner.expiry_trusted(seconds double precision) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS
$$ SELECT supervisor.answering_since() < now() - make_interval(secs => seconds) $$
"""
"""Whether PostgreSQL has answered for so long that whoever lives has renewed what it holds."""

OPEN_BUDGET = f"""
CREATE OR REPLACE FUNCTION partner.open_budget() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller text := coalesce(current_setting('madang.account', true), '');
    start timestamptz := partner.window_start(NEW, now());
    first date := start AT TIME ZONE NEW.time_zone;
    days text := 'SELECT coalesce(sum(CASE $1 WHEN ''tokens'' THEN d.input_tokens + d.output_tokens ELSE d.cost END)
            FILTER (WHERE d.day >= $2), 0), coalesce(bool_or(d.time_zone <> $3), false)
        FROM partner.usage_days d WHERE d.day >= $2 - 2 AND ';
    single text := 'SELECT coalesce(sum(CASE $1 WHEN ''tokens'' THEN u.input_tokens + u.output_tokens ELSE u.cost END),
            0) FROM partner.usage u WHERE u.created_at >= $2 AND ';
    mine text := CASE NEW.subject_kind WHEN 'platform' THEN '$4 IS NOT NULL' WHEN 'account' THEN 'account_id = $4'
        ELSE 'scope_path @> ARRAY[$4]' END;
    already bigint := 0;
    is_mixed boolean := false;
BEGIN
    PERFORM pg_advisory_xact_lock({LEDGER_LOCK});
    PERFORM set_config('madang.account', '{HOUSE}', true);
    IF NEW.period <> 'total' THEN
        EXECUTE days || mine INTO already, is_mixed USING NEW.unit, first, NEW.time_zone, NEW.subject_id;
    END IF;
    IF is_mixed THEN
        EXECUTE single || mine INTO already USING NEW.unit, start, NULL, NEW.subject_id;
    END IF;
    INSERT INTO partner.budget_windows (budget_id, starts_at, ends_at, spent)
    VALUES (NEW.id, start, partner.window_end(NEW, now()), already);
    PERFORM set_config('madang.account', caller, true);
    RETURN NULL;
END $$
"""  # noqa: S608  # only constants of this file go in
"""As before it, with statements of their own for platform, account and scope, so that each uses its index."""
