"""The pages of docs/, gone through as a reader does."""

import pytest
from documents import ROOT, play


@pytest.mark.parametrize("page", ["tutorial", "recipes", "extending"])
def test_a_page_can_be_followed(site, page):
    play(site, ROOT / "docs" / f"{page}.md")
