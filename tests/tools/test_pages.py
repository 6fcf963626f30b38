"""What is written by hand leads somewhere and can be read in a terminal."""

import re
from collections.abc import Iterator
from pathlib import Path

from tools.lint.tree import files

ROOT = Path(__file__).parents[2]
COLUMNS = 120


def pages() -> Iterator[Path]:
    """Every page written by hand, found while a test runs, for what two processes collect must be the same."""
    for path in files(ROOT):
        if path.endswith(".md") and not path.startswith("docs/reference/"):
            yield ROOT / path


def without_code(text: str) -> str:
    """The page with its blocks of code emptied; lines keep their numbers."""
    return re.sub(r"^```.*?^```$", lambda found: "\n" * found[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> Iterator[str]:
    """What the headings of a page are called in links to them."""
    for heading in re.findall(r"^#+ (.+)$", without_code(text), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def is_broken(page: Path, link: str) -> bool:
    """Whether a link out of the page leads nowhere; what lies outside of the repository is not asked."""
    if re.match(r"[a-z]+:", link):
        return False
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return not target.exists() or bool(anchor and anchor not in anchors(target.read_text()))


def test_links_lead_somewhere() -> None:
    links = [
        (page, link) for page in pages() for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text()))
    ]
    assert links
    assert [(str(page), link) for page, link in links if is_broken(page, link)] == []


def test_a_link_that_leads_nowhere_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One thing\n\n```sh\n# No heading\n```\n")
    broken = ["other.md", "#another", "#no-heading"]
    links = ["page.md", "#one-thing", "page.md#one-thing", "https://example.org/x", *broken]
    assert [link for link in links if is_broken(page, link)] == broken


def test_lines_fit_into_a_terminal() -> None:
    lines = [
        (str(page), number, line)
        for page in pages()
        for number, line in enumerate(without_code(page.read_text()).splitlines(), 1)
    ]
    assert lines
    assert [place for *place, line in lines if len(line) > COLUMNS and not line.startswith("|")] == []


def test_what_tools_leave_behind_is_no_page_of_a_tree_without_its_repository(tmp_path: Path) -> None:
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()]
    for folder in (*(name.replace("*", "madang") for name in ignored), "docs", ".github"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "README.md").write_text("# A page\n")
    assert files(tmp_path) == (".github/README.md", "docs/README.md")
