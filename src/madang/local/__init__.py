"""PostgreSQL, Valkey and the built-in models as child processes, with nothing to install but wheels."""
