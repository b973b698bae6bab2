"""The page of the HTTP interface in a real browser: usable by everybody, also on a phone."""

import pytest

from tests.web.audit import PHONE, audit
from tests.web.site_browser import browser_at_site, is_full

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_page_of_the_interface_can_be_used_by_everybody() -> None:
    with browser_at_site(pseudo=True) as (browser, _, url):
        context = browser.new_context(viewport=PHONE, reduced_motion="reduce")  # type: ignore[arg-type]
        page = context.new_page()
        # A page of a hundred screens: axe takes long over it, and the languages share one form.
        for language in ("kk", "ru", "en") if is_full() else ("kk",):
            answer = page.goto(f"{url}/v1/docs?language={language}")
            assert answer is not None
            assert answer.status == 200
            assert audit(page) == []
        context.close()
