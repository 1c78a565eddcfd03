"""The gallery in a real Chromium: whole at any width, by keyboard alone, named for screen readers, and it labels."""

import threading
from types import SimpleNamespace

import pytest

from curate.inspect.gallery.server import open_server
from curate.inspect.gallery.site import open_site
from curate.inspect.labels import LabelFile
from curate.inspect.view import run_view

pytestmark = pytest.mark.pages

NAMELESS = """[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, img, [role=region]')]
    .filter(each => !each.textContent.trim() && !each.alt && !each.ariaLabel && !(each.labels || []).length)
    .map(each => each.outerHTML)"""


@pytest.fixture(scope="module")
def gallery(folder, tmp_path_factory):
    file = LabelFile(tmp_path_factory.mktemp("labels") / "labels.jsonl")
    site = open_site(run_view(folder.store), file, "tester")
    server, door = open_server(site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    root = f"http://127.0.0.1:{door.port}"
    yield SimpleNamespace(site=site, file=file, address=door.address(), root=root, uid=folder.uid(4))
    server.shutdown()
    server.server_close()
    site.frame.close()


@pytest.fixture
def opened(gallery, page):
    gallery.file.path.unlink(missing_ok=True)
    page.goto(gallery.address)
    assert page.url == f"{gallery.root}/"
    return page


@pytest.mark.parametrize("path", ["/", "/sample/UID", "/what-if", "/similar?uid=UID", "/similar", "/label", "/labels"])
def test_a_page_loads_whole_fits_the_screen_and_everything_has_a_name(gallery, opened, path):
    opened.goto(gallery.root + path.replace("UID", gallery.uid), wait_until="networkidle")
    assert opened.locator("h1").count() == 1
    assert opened.evaluate("document.documentElement.scrollWidth") <= opened.viewport_size["width"]
    assert opened.evaluate("[...document.images].filter(each => each.complete && !each.naturalWidth).length") == 0
    assert opened.evaluate(NAMELESS) == []
    assert opened.complaints == []


def test_a_mistake_is_a_sentence_on_the_page(gallery, opened):
    opened.goto(f"{gallery.root}/?where=nope+%3E+1")
    assert "nope" in opened.get_by_role("alert").inner_text()


def test_a_bound_that_is_moved_by_key_counts_at_once(gallery, opened):
    opened.goto(f"{gallery.root}/what-if")
    slider = opened.get_by_role("slider", name="clip_score >=")
    slider.focus()
    opened.keyboard.press("End")
    opened.wait_for_function("document.querySelector('[data-count=lost]').textContent !== '0'")
    counts = {name: int(opened.locator(f"[data-count={name}]").inner_text()) for name in ("kept", "lost", "gained")}
    assert counts["kept"] + counts["lost"] == 6
    assert counts["lost"] > 0
    opened.locator("[data-count=lost]").click()
    assert opened.get_by_role("status").inner_text() == f"{counts['lost']} of 12 samples"
    assert opened.complaints == []


def test_a_search_by_keyboard_alone(gallery, opened):
    opened.get_by_label("Text contains").focus()
    opened.keyboard.type("alt text 4")
    opened.keyboard.press("Enter")
    opened.wait_for_url("**text=alt+text+4**")
    assert opened.get_by_role("status").inner_text() == "2 of 12 samples"
    opened.locator(".cards a").first.focus()
    opened.keyboard.press("Enter")
    opened.wait_for_url("**/sample/*")
    assert opened.get_by_role("heading", name="Caption").count() == 1


def test_labels_are_given_skipped_and_taken_back_by_keys(gallery, opened):
    def labels():
        return [label.label for label in gallery.file.read().values()]

    def press(key):
        before = opened.locator("#labelling").get_attribute("data-uid")
        opened.keyboard.press(key)
        opened.wait_for_function(
            "before => (document.getElementById('labelling') || {dataset: {}}).dataset.uid !== before", arg=before
        )
        opened.wait_for_load_state("networkidle")

    opened.goto(f"{gallery.root}/label?fate=kept")
    first = opened.locator("#labelling").get_attribute("data-uid")
    press("1")
    press("n")
    press("j")
    press("y")
    assert labels() == [1, 0, 1]
    press("u")
    assert labels() == [1, 0]
    press("k")
    press("ArrowRight")
    opened.goto(f"{gallery.root}/label?fate=kept")
    assert opened.locator("#labelling").get_attribute("data-uid") not in (first, None)
    opened.goto(f"{gallery.root}/labels")
    assert "kept 2 1 0.500 0.095 to 0.905" in " ".join(opened.locator("tbody tr").inner_text().split())
    assert opened.complaints == []
