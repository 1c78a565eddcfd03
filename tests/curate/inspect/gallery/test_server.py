"""Laws of the gallery's server: only the token opens it, only under its own name, and it writes labels and no more."""

import http.client
import json
import threading
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from curate.errors import PlanError
from curate.inspect.gallery.server import Door, open_server
from curate.inspect.gallery.site import open_site
from curate.inspect.labels import LabelFile
from curate.inspect.view import run_view


@contextmanager
def served(folder, labels=None):
    site = open_site(run_view(folder.store), labels, "tester")
    server, door = open_server(site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield door
    server.shutdown()
    server.server_close()
    site.frame.close()


@pytest.fixture(scope="module")
def door(folder):
    with served(folder) as door:
        yield door


def request(door, path, method="GET", body=None, token="right", **headers):
    """Send a request as a browser would that holds the cookie; return status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=30)
    cookie = {"right": f"{door.cookie}={door.token}", "wrong": f"{door.cookie}=x{door.token[1:]}", None: None}[token]
    named = {name.replace("_", "-"): value for name, value in headers.items()} | ({"Cookie": cookie} if cookie else {})
    connection.request(method, path, body, named)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), content.decode("utf-8", "replace")


def post(door, body, **headers):
    sent = {"Content_Type": "application/json", "Origin": f"http://127.0.0.1:{door.port}"} | headers
    return request(door, "/labels", "POST", json.dumps(body), **sent)


@pytest.mark.parametrize("path", ["/", "/what-if", "/thumb/00", "/script.js", "/what-if.json", "/nothing"])
@pytest.mark.parametrize("token", [None, "wrong"])
def test_nothing_is_shown_without_the_token(door, path, token):
    status, _, text = request(door, path, token=token)
    assert (status, text) == (403, "open the whole address that curate view printed\n")


def test_the_token_of_the_address_becomes_a_cookie_and_leaves_the_address(door):
    status, headers, _ = request(door, f"/?text=a&token={door.token}", token=None)
    assert (status, headers["Location"]) == (303, "/?text=a")
    cookie = headers["Set-Cookie"]
    assert cookie == f"{door.cookie}={door.token}; HttpOnly; SameSite=Strict; Path=/"
    assert request(door, "/?token=wrong", token=None)[0] == 403
    assert request(door, f"//evil.example/?token={door.token}", token=None)[1]["Location"] == "/evil.example/"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "localhost.", "0.0.0.0"])
def test_a_foreign_name_that_points_here_is_refused(door, host):
    assert request(door, "/", Host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost:9999", "127.0.0.1:80", "[::1]:1"])
def test_the_port_of_a_tunnel_is_fine(door, host):
    assert request(door, "/", Host=host)[0] == 200


def test_a_server_for_others_takes_numbers_and_its_own_name_and_no_other():
    door = Door("0.0.0.0", 1, "t")
    assert door.knows("10.0.0.7:1")
    assert not door.knows("evil.example:1")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"])
def test_other_methods_are_not_there(door, method):
    status, headers, _ = request(door, "/", method)
    assert status == 501
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/thumb/../../../etc/passwd",
        "/thumb/%2e%2e%2fetc%2fpasswd",
        "/drawing/'OR 1=1--",
        "/style.css/x",
    ],
)
def test_no_path_leads_to_a_file(door, path):
    status, _, text = request(door, quote(path, safe="/%"))
    assert status in (400, 404)
    assert "root:" not in text


def test_every_answer_forbids_scripts_of_others_and_being_framed(door):
    for path in ("/", "/nothing", "/style.css"):
        headers = request(door, path)[1]
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_what_a_stranger_wrote_is_text_on_every_page(door, folder):
    for path in ("/", f"/sample/{folder.uid(4)}", "/?where=%3Cscript%3E", "/?text=%22%3E%3Cscript%3E&sort=uid"):
        text = request(door, path)[2]
        assert text.count("<script") == text.count('<script src="/script.js" defer>') == 1
        assert "<b>\x1b" not in text
        assert "\u202e" not in text
        assert "\x1b" not in text


def test_without_a_file_for_labels_nothing_is_written(door, folder):
    before = sorted(folder.store.find())
    status, _, text = post(door, {"uid": folder.uid(4), "question": "keep", "order": "uid", "label": 1})
    assert (status, "--labels FILE" in text) == (400, True)
    assert sorted(folder.store.find()) == before


def test_labels_come_from_the_gallerys_own_pages_alone(folder, tmp_path):
    file = LabelFile(tmp_path / "labels.jsonl")
    label = {"uid": folder.uid(4), "question": "keep", "order": "uid", "label": 1}
    with served(folder, file) as door:
        assert post(door, label, Origin="https://evil.example")[0] == 403
        assert post(door, label, Content_Type="text/plain")[0] == 415
        assert post(door, label, token=None)[0] == 403
        assert request(door, "/labels", "POST", json.dumps(label), Content_Type="application/json")[0] == 403
        assert post(door, label, Content_Length="99999999")[0] == 413
        assert not file.path.exists()
        assert post(door, label)[0] == 200
        for wrong in (
            [],
            {**label, "label": 2},
            {**label, "uid": "../x"},
            {**label, "uid": "0" * 32},
            {**label, "question": "\x1b"},
        ):
            assert post(door, wrong)[0] == 400
    (line,) = file.path.read_text().splitlines()
    assert {**label, "labeller": "tester"}.items() <= json.loads(line).items()


def test_a_taken_port_is_one_sentence(door, folder):
    site = open_site(run_view(folder.store))
    with pytest.raises(PlanError, match=rf"cannot listen on 127.0.0.1:{door.port} .*give another --port"):
        open_server(site, "127.0.0.1", door.port)
    site.frame.close()
