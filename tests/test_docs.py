"""The pages of docs/, as mkdocs makes them: what they have from the code, and that nothing is fetched elsewhere."""

import html
import re
import subprocess
import sys

import pytest
import reference
from documents import ROOT

from metaopt.cli import VERBS, db
from metaopt.keys import KEYS
from metaopt.plugins import OPTIMIZERS, STOPPERS
from metaopt.space import FORMS

MARK = re.compile(r"^(.*)<!-- made: (\S+) -->$", re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """All pages, by their names."""
    made = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(made)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [*made.rglob("*.py*")]
    return {str(path.parent.relative_to(made)): path.read_text() for path in made.rglob("index.html")}


def test_every_page_is_made_and_in_the_menu(site):
    names = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert set(site) == {"." if name == "index" else name for name in names}
    for name in names:
        assert f"{name}.md" in (ROOT / "mkdocs.yml").read_text()


def test_a_page_needs_nothing_from_elsewhere(site):
    for page in site.values():
        assert not re.findall(r"""(?:src|<link[^>]*href)=["']?(?:https?:)?//""", page)


def test_the_reference_has_every_key_prior_and_rule(site):
    page = html.unescape(site["experiment"])
    for name in [*KEYS, *OPTIMIZERS, *STOPPERS]:
        assert f">{name.rpartition('.')[2]}<" in page
    for key in KEYS.values():
        if "`" not in key.meaning:
            assert f">{key.meaning}<" in page
    for form in FORMS.values():
        assert form.split(" or ")[0] in page
    assert "<code>reduction: 3</code>" in page
    assert "metaopt.optimizers" not in page


def test_who_reads_a_page_as_a_file_is_told_where_to_find_what_the_site_has_from_the_code(site):
    headings = re.findall(r"^#+ (.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    sections = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    parts = []
    for name in ("experiment", "commands"):
        for said, part in MARK.findall((ROOT / "docs" / f"{name}.md").read_text()):
            parts.append(part)
            (section,) = re.findall(r"\(\.\./README\.md#(.*?)\)", said)
            assert section in sections
        assert "README" not in site[name]
    assert set(parts) == set(reference.PARTS)


def test_the_commands_are_told_as_they_tell_it_themselves(site):
    page = html.unescape(site["commands"])
    for verb in [*VERBS, *(f"db {verb}" for verb in db.VERBS)]:
        assert f">metaopt {verb}<" in page
        assert f"usage: metaopt {verb} " in page or f"usage: metaopt [{verb}]" in page
