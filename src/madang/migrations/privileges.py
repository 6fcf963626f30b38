"""What holds after every migration, Madang's own or a product's: nothing of ours is executable by whoever connects."""

CLOSE_FUNCTIONS = """
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT p.oid::regprocedure AS name, p.prorettype = 'trigger'::regtype AS is_trigger
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname IN ('supervisor', 'partner', 'user')
          AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) granted
                      WHERE granted.grantee = 0 AND granted.privilege_type = 'EXECUTE')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', one.name);
        IF NOT one.is_trigger THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO madang_app', one.name);
        END IF;
    END LOOP;
END $$
"""
"""PostgreSQL lets everybody execute a new function; afterwards these are the application's role's alone.

What a migration has withdrawn from everybody itself stays the owner's.
"""
