"""What the repository says: every ignore gives its reason, and the project speaks only of itself."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tools.lint.tree import Finding, files, python_sources

DIRECTIVE = re.compile(
    r"#\s*(?:ruff:\s*)?noqa(?::\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?"
    r"|#\s*type:\s*ignore(?:\[[\w\-, ]+\])?"
    r"|#\s*pyright:\s*(?:ignore(?:\[[\w, ]+\])?|basic|strict=false)"
)
CODED = re.compile(r"noqa:|ignore\[")
ESLINT = re.compile(r"eslint-disable(?:-next-line|-line)?(?P<rules>[^\n]*)")
TS_EXPECT = re.compile(r"@ts-(?P<verb>ignore|nocheck|expect-error)(?P<reason>[^\n]*)")
WEB_CODE = (".ts", ".tsx", ".js", ".mjs", ".css")
REASON_LETTERS = 6

STRANGE = {
    re.compile(r"(?<![\w.])/(?:work|root|home/\w+)/"): "a path of one machine; write a relative path or a setting",
    re.compile(r"(?<![\w/-])(?:\.\./)*shared[/]"): "a folder outside of this repository; bring in what is needed",
    re.compile(r"https?://(?:pypi|files\.pythonhosted|registry|test\.pypi|[\w-]*mirror[\w-]*)\.[\w.-]+"): (
        "a package registry's address; it is configuration of a machine"
    ),
    re.compile(r"^co-authored-by:", re.IGNORECASE | re.MULTILINE): "say what the code does, not who typed it",
}
UNREAD = (".lock", ".png", ".ico", ".woff2", ".pdf", ".docx", ".svg", ".gguf")


def check(root: Path) -> Iterator[Finding]:
    """Ignores without code or reason; words about things outside of the project."""
    for source in python_sources(root):
        yield from python_ignores(source.path, source.text)
    for path in files(root):
        if path.endswith(WEB_CODE):
            yield from web_ignores(path, (root / path).read_text())
        if not path.endswith(UNREAD):
            yield from strange_words(path, (root / path).read_text(errors="replace"))


def python_ignores(path: str, text: str) -> Iterator[Finding]:
    """Each ignore in a Python comment names its code and a reason: `# noqa: S608  # no input goes in`."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        directives = DIRECTIVE.findall(token.string)
        reason = re.sub(r"\W", "", DIRECTIVE.sub("", token.string))
        if not directives:
            continue
        if not all(CODED.search(directive) for directive in directives) or len(reason) < REASON_LETTERS:
            message = "an ignore names its code and its reason: `# noqa: S608  # only constants go in`"
            yield Finding(path, token.start[0], "ignores", message)


def web_ignores(path: str, text: str) -> Iterator[Finding]:
    """Each ignore in TypeScript names its rule and, after `--`, a reason."""
    for number, line in enumerate(text.splitlines(), 1):
        found = ESLINT.search(line)
        if found:
            rules, _, reason = found["rules"].partition("--")
            if not re.search(r"[a-z]", rules) or len(re.sub(r"\W", "", reason)) < REASON_LETTERS:
                yield Finding(path, number, "ignores", "write `eslint-disable-next-line the/rule -- the reason`")
        typed = TS_EXPECT.search(line)
        if typed and (typed["verb"] != "expect-error" or len(re.sub(r"\W", "", typed["reason"])) < REASON_LETTERS):
            yield Finding(path, number, "ignores", "write `@ts-expect-error the reason`; never ignore or nocheck")


def strange_words(path: str, text: str) -> Iterator[Finding]:
    """Nothing about one machine, another folder or a package registry."""
    for pattern, mend in STRANGE.items():
        for found in pattern.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield Finding(path, line, "own-words", f"{found.group().strip()!r}: {mend}")
