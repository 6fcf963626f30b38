"""Who may talk to the database and to Valkey, and where."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tools.lint.tree import Finding, Source, python_sources

COMMITTER = "src/madang/kernel/db.py"
STATEMENTS = {"select", "insert", "update", "delete", "text", "exists"}
STATEMENT_FILES = {"access", "queries", "service"}
VALKEY_NAME = re.compile(r"(valkey|redis|client|pipe|pipeline)$")
LUA_KEYS = re.compile(r"""(redis|server)\.p?call\(\s*['"](KEYS|SCAN)['"]""", re.IGNORECASE)
SQL_TABLE = re.compile(r'"?\b(user|partner|supervisor)"?\."?(\w+)"?')


def check(root: Path) -> Iterator[Finding]:
    """Commits, statements, foreign tables and walks over Valkey's keys."""
    sources = list(python_sources(root, "src"))
    owners = table_owners(sources)
    for source in sources:
        yield from commits(source)
        yield from statements(source)
        yield from foreign_tables(source, owners)
        yield from key_walks(source)


def commits(source: Source) -> Iterator[Finding]:
    """No `.commit()` outside of kernel/db.py."""
    if source.path == COMMITTER:
        return
    for call in calls(source):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "commit":
            yield Finding(
                source.path,
                call.lineno,
                "one-commit",
                "only kernel/db.py commits; open `house.db.transaction(who)` around the work, or take `tx`",
            )


def statements(source: Source) -> Iterator[Finding]:
    """SQL is built only in access, queries and service."""
    if source.package is None or source.role in STATEMENT_FILES:
        return
    imported = {
        alias.asname or alias.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")
        for alias in node.names
        if alias.name in STATEMENTS and not (alias.name == "text" and source.role == "tables")
    }
    for call in calls(source):
        if isinstance(call.func, ast.Name) and call.func.id in imported:
            yield Finding(
                source.path,
                call.lineno,
                "statements-at-home",
                f"{call.func.id}() belongs into access, queries or service of {source.package}; call it from here",
            )


def table_owners(sources: list[Source]) -> dict[str, str]:
    """Each table's name and the package whose tables.py declares it."""
    return {
        str(node.value.value): source.package
        for source in sources
        if source.package and source.role == "tables"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and any(isinstance(target, ast.Name) and target.id == "__tablename__" for target in node.targets)
    }


def foreign_tables(source: Source, owners: dict[str, str]) -> Iterator[Finding]:
    """SQL text names no table of another package."""
    if source.package is None:
        return
    for call in calls(source):
        if not (isinstance(call.func, ast.Name) and call.func.id == "text"):
            continue
        for part in ast.walk(call):
            for _, table in SQL_TABLE.findall(text_of(part)):
                owner = owners.get(table, source.package)
                if owner != source.package:
                    message = f"the table {table} belongs to {owner}; ask its public.py"
                    yield Finding(source.path, call.lineno, "own-tables", message)


def key_walks(source: Source) -> Iterator[Finding]:
    """No KEYS, and no SCAN without both `match` and `count`."""
    mend = "keep the names in a set or sorted set and read that"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and LUA_KEYS.search(text_of(node)):
            yield Finding(source.path, node.lineno, "no-key-walks", f"a script walks all keys; {mend}")
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        verb, receiver = node.func.attr, ast.unparse(node.func.value)
        given = {keyword.arg for keyword in node.keywords}
        if verb == "keys" and node.args:
            yield Finding(source.path, node.lineno, "no-key-walks", f"KEYS stops the whole server; {mend}")
        elif is_scan(verb, receiver) and not {"match", "count"} <= given:
            yield Finding(
                source.path, node.lineno, "no-key-walks", f"an unbounded SCAN; {mend}, or give match and count"
            )
        elif verb == "execute_command" and node.args and ast.unparse(node.args[0]).strip("'\"").upper() == "KEYS":
            yield Finding(source.path, node.lineno, "no-key-walks", f"KEYS stops the whole server; {mend}")


def is_scan(verb: str, receiver: str) -> bool:
    """Whether the method call walks Valkey's keys."""
    return verb == "scan_iter" or (verb == "scan" and VALKEY_NAME.search(receiver) is not None)


def text_of(node: ast.AST) -> str:
    """A string constant's text; nothing for any other node."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def calls(source: Source) -> Iterator[ast.Call]:
    """Every call in the file."""
    return (node for node in ast.walk(source.tree) if isinstance(node, ast.Call))
