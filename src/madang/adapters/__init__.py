"""What binds the kernel's ports to engines: PostgreSQL, Valkey, Celery."""
