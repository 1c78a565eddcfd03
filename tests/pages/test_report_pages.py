"""The report in a real Chromium: it loads whole, at any width, without a script, and is named for screen readers."""

import pytest

from curate.inspect.report.site import PAGES, write_report

pytestmark = pytest.mark.pages


@pytest.fixture(scope="module")
def site(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "site"
    write_report(folder.store, None, str(out))
    return out


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_whole_and_fits_the_screen(site, page, name):
    page.goto((site / f"{name}.html").as_uri())
    assert page.locator("h1").inner_text() == PAGES[name]
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    lazy = "[...document.images].filter(each => each.loading !== 'lazy' && !each.naturalWidth).length"
    assert page.evaluate(lazy) == 0
    assert page.complaints == []


def test_the_way_through_the_pages_by_keyboard_alone(site, page):
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    for label in list(PAGES.values())[:4]:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == label
    page.keyboard.press("Enter")
    page.wait_for_url("**/captions.html")
    assert page.locator("nav a[aria-current=page]").inner_text() == "Captions"


def test_every_picture_has_a_name(site, page):
    page.goto((site / "filters.html").as_uri())
    assert page.locator("img").count() > 5
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    assert page.get_by_role("img", name="Histogram of clip_score with the bound at 0.3").count() == 1
