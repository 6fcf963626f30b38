"""How long people wait: the first `madang up`, the next ones, and `madang --help`.

`./dev bench startup [--times N]`. Cold is an empty data folder (the cluster and the model's file are made), warm a
second start on it. Memory is the proportional share (PSS) of each process when all is idle.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine_line, table

MADANG = str(Path(sys.executable).with_name("madang"))
READY = "Madang is ready at "


def up(folder: Path) -> tuple[float, subprocess.Popen[str]]:
    """Start; returns the seconds to readiness and the process."""
    environment = {**os.environ, "MADANG_DATA_DIR": str(folder), "MADANG_PORT": "0"}
    started = time.perf_counter()
    process = subprocess.Popen([MADANG, "up"], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(READY):
            return time.perf_counter() - started, process
    raise SystemExit("It did not become ready:\n" + "".join(lines))


def down(process: subprocess.Popen[str]) -> float:
    """End it well; returns the seconds."""
    started = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    process.communicate()
    return time.perf_counter() - started


def run_help() -> float:
    """Seconds of `madang --help`."""
    started = time.perf_counter()
    subprocess.run([MADANG, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def memory(process: subprocess.Popen[str]) -> list[tuple[str, str]]:
    """(name, MiB) of the process and of each of its children with what is below them."""
    rows = [("up", f"{share(process.pid):.0f}")]
    for child in children(process.pid):
        words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
        name = next((word for word in words if word.startswith("madang.")), Path(words[0]).name)
        rows.append((name, f"{sum(share(pid) for pid in family(child)):.0f}"))
    return rows


def family(pid: int) -> list[int]:
    """The process and everything below it."""
    return [pid, *(below for child in children(pid) for below in family(child))]


def children(pid: int) -> list[int]:
    """Its children, of whichever thread."""
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def share(pid: int) -> float:
    """Proportional share of memory in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="how many warm starts")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        cold, process = up(Path(folder))
        ends, warm, held = [down(process)], list[float](), list[tuple[str, str]]()
        for _ in range(times):
            took, process = up(Path(folder))
            warm.append(took)
            held = memory(process)
            ends.append(down(process))
    helps = [run_help() for _ in range(5)]
    rows = [
        ("cold `up`, to ready", f"{cold:.2f}", ""),
        ("warm `up`, to ready", f"{statistics.median(warm):.2f}", "≤ 6"),
        ("SIGTERM, to the end", f"{statistics.median(ends):.2f}", "≤ 10"),
        ("`madang --help`", f"{statistics.median(helps):.2f}", "≤ 0.4"),
    ]
    print(machine_line(), "", table(("start-up", "seconds (median)", "aim"), rows), "", sep="\n")
    print(table(("process, idle", "PSS, MiB"), held))


if __name__ == "__main__":
    main()
