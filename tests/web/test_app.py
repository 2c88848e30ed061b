"""The application as a whole: what it answers to whom."""

import pytest

from tests.web.conftest import Panel
from web.pages import PAGES
from web.view import ROLES, Page, Role, Who


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.parametrize("role", ROLES)
def test_each_page_is_drawn_for_each_role(role: Role, page: Page, panel: Panel) -> None:
    answer = panel(role).get(page.path)
    assert answer.status_code == (200 if Who(role, role).is_at_least(page.role) else 403)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<!doctype html>")
    assert answer.text.rstrip().endswith("</html>")
