"""Links in the documentation: every file and every heading that a page names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Names of a page's headings as GitHub makes them; a heading that comes again gets a number."""
    found: dict[str, int] = {}
    result = set()
    for heading in HEADING.findall(without_code(page.read_text())):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = found[name] = found.get(name, -1) + 1
        result.add(f"{name}-{number}" if number else name)
    return result


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(without_code(page.read_text())):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_names_of_headings(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Gain, `auto`\n## What [it](x.md) is\n# Again\n# Again\n```\n# no heading\n```\n")
    assert anchors(page) == {"gain-auto", "what-it-is", "again", "again-1"}
