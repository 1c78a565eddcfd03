"""The gallery's times: `python -m benchmarks.gallery DATASET ...`, a row each; datasets by benchmarks.big_dataset.

Start is until the address is printed, in this process. Loads are of a real Chromium, until the page and the thumbnails
that it shows are there; all else is one request, the median of five. Similar is asked first (embeddings are written
to a file), then again.
"""

import argparse
import http.client
import resource
import statistics
import threading
import time
from http.server import ThreadingHTTPServer

from playwright.sync_api import sync_playwright

from benchmarks.contest import print_table
from curate.inspect.gallery.server import Door, open_server
from curate.inspect.gallery.site import Site, open_site
from curate.inspect.view import run_view
from curate.storage.store import Store

__all__ = ["main"]

ROUNDS = 5
CHROMIUM = "/usr/bin/chromium"


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("datasets", nargs="+")
    rows = dict(_measure(each) for each in parser.parse_args().datasets)
    print("milliseconds; peak memory of the server in MiB")
    print_table(rows)


def _measure(dataset: str) -> tuple[str, dict[str, float]]:
    started = time.monotonic()
    site = open_site(run_view(Store(dataset)))
    server, door = open_server(site)
    figures = {"start": 1000 * (time.monotonic() - started)}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    figures |= _loads(door)
    figures |= _requests(site, door)
    figures["peak MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    _end(server, site)
    return f"{site.frame.size:,}", figures


def _loads(door: Door) -> dict[str, float]:
    """Return the milliseconds until Chromium has loaded the first page, a later one, and one sorted by a column."""
    root = f"http://127.0.0.1:{door.port}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        times = {}
        for name, address in {"first load": door.address(), "sorted load": f"{root}/?sort=clip_score&down=1"}.items():
            started = time.monotonic()
            page.goto(address, wait_until="load")
            times[name] = 1000 * (time.monotonic() - started)
        browser.close()
    return times


def _requests(site: Site, door: Door) -> dict[str, float]:
    late = site.frame.size * 9 // 10
    (row,) = site.frame.ask("SELECT uid FROM frame WHERE stopped IS NULL AND n >= ? LIMIT 1", [late]).to_pylist()
    knob = site.rules.knobs[-1]
    paths = {
        "page": f"/?after={late}",
        "page, sorted": f"/?sort=clip_score&after={late}",
        "text": "/?text=ball",
        "what if": f"/what-if.json?t{len(site.rules.knobs) - 1}={(knob.low + knob.high) / 2}",
        "sample": f"/sample/{row['uid']}",
    }
    figures = {name: statistics.median(_request_ms(door, path) for _ in range(ROUNDS)) for name, path in paths.items()}
    figures["nested, first"] = _request_ms(door, "/?where=len(objects)%3E2")
    figures["nested, then"] = statistics.median(_request_ms(door, "/?where=len(objects)%3E2") for _ in range(ROUNDS))
    figures["similar, first"] = _request_ms(door, f"/similar?uid={row['uid']}")
    figures["similar, then"] = statistics.median(_request_ms(door, f"/similar?uid={row['uid']}") for _ in range(ROUNDS))
    return figures


def _request_ms(door: Door, path: str) -> float:
    started = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=600)
    connection.request("GET", path, headers={"Cookie": f"{door.cookie}={door.token}"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{path}: {answer.status} {content[-600:]!r}")
    return 1000 * (time.monotonic() - started)


def _end(server: ThreadingHTTPServer, site: Site) -> None:
    server.shutdown()
    server.server_close()
    site.frame.close()


if __name__ == "__main__":
    main()
