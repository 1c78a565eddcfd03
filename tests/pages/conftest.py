"""A real Chromium, and pages of the width of a desktop and of a phone that remember what was wrong with them."""

import pytest
from playwright.sync_api import sync_playwright


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desktop", "phone"])
def page(request, browser):
    width, height = request.param
    opened = browser.new_page(viewport={"width": width, "height": height})
    opened.set_default_timeout(120_000)  # for a machine that has much else to do
    opened.complaints = []
    opened.on("console", lambda message: opened.complaints.append(message.text))
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    # what was still loading when a test went on to the next page has not failed
    opened.on("requestfailed", lambda r: r.failure == "net::ERR_ABORTED" or opened.complaints.append(r.url))
    yield opened
    opened.close()
