"""The pages cannot lie: every Python block is cut from a file that runs, every link leads somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = [ROOT / "docs" / "examples", ROOT / "demos" / "allowly_demos" / "agents"]
SOURCES = [path.read_text() for folder in EXAMPLES for path in folder.glob("*.py")]
BLOCK = re.compile(r"```python\n(?P<code>.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)(?P<target>[^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_block_is_cut_from_a_file_that_a_test_runs(page: Path) -> None:
    for block in BLOCK.finditer(page.read_text()):
        code = block["code"].strip()
        assert any(code in source for source in SOURCES), f"no example holds what {page.name} shows: {code[:60]!r} ..."


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    for link in LINK.finditer(page.read_text()):
        assert (page.parent / link["target"]).exists(), f"{page.name} links to {link['target']}"
