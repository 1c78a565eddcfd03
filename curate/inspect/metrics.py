"""Numbers of a run for Prometheus: a page that is made of what its driver tells through the dataset folder."""

import http.server
from datetime import UTC, datetime

from curate.dataset.manifest import find_run
from curate.errors import CurateError, PlanError
from curate.run.live_record import read_live
from curate.storage.store import Store

__all__ = ["metrics_page", "metrics_server"]

KINDS = (  # name, kind, what it is, and the field of a stage's line
    ("curate_stage_rows_total", "counter", "Rows that a stage has measured.", "rows"),
    ("curate_stage_errors_total", "counter", "Rows that a stage could not measure.", "errors"),
    ("curate_stage_rows_per_second", "gauge", "Rows a second of the last minute.", "rate"),
    ("curate_stage_workers", "gauge", "Workers of a stage.", "workers"),
)


def metrics_page(store: Store, run_id: str | None = None) -> str:
    """Return the numbers of a run, the newest by default, in the text format of Prometheus."""
    manifest = find_run(store, run_id)
    lines = [
        "# HELP curate_run_running Whether the run has not ended.",
        "# TYPE curate_run_running gauge",
        f"curate_run_running{_labels(run=manifest.id)} {int(manifest.status == 'running')}",
    ]
    state = read_live(store, manifest.id)
    if state is None:
        return "\n".join(lines) + "\n"
    numbers = {
        "curate_shards_done": ("Shards that are through.", float(state.shards_done)),
        "curate_shards": ("Shards of the run that were not done before.", float(state.shards)),
        "curate_seconds": ("Seconds that the run has worked.", state.seconds),
        "curate_heard_seconds": ("Seconds since its driver said something.", state.age(datetime.now(UTC))),
    }
    if state.seconds_left is not None:
        numbers["curate_seconds_left"] = ("Seconds that the rest may take.", state.seconds_left)
    for name, (text, value) in numbers.items():
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name}{_labels(run=manifest.id)} {value:g}"]
    for name, kind, text, field in KINDS:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        for line in state.stages:
            lines.append(f"{name}{_labels(run=manifest.id, stage=line.label)} {getattr(line, field):g}")
    lines += ["# HELP curate_gpu_percent Use of a GPU of the driver's machine.", "# TYPE curate_gpu_percent gauge"]
    lines += [
        f"curate_gpu_percent{_labels(run=manifest.id, gpu=str(i))} {gpu[1]:g}" for i, gpu in enumerate(state.gpus)
    ]
    return "\n".join(lines) + "\n"


def metrics_server(store: Store, run_id: str | None, place: str) -> http.server.ThreadingHTTPServer:
    """Return a server of `/metrics` at PORT of this machine alone, or at HOST:PORT; call `serve_forever`.

    Raises PlanError if the place cannot be read or is taken.
    """

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                status, text = (
                    (200, metrics_page(store, run_id)) if self.path == "/metrics" else (404, "see /metrics\n")
                )
            except CurateError as error:
                status, text = 503, f"{error}\n"
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            return

    host, _, port = place.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) <= 65_535:
        raise PlanError(f"--metrics {place!r} is no port: give 9100, or 0.0.0.0:9100 to be seen from other machines")
    try:
        return http.server.ThreadingHTTPServer((host or "127.0.0.1", int(port)), Page)
    except OSError as error:
        raise PlanError(f"--metrics {place}: {error.strerror or error}; give another port") from error


def _labels(**values: str) -> str:
    escaped = {k: v.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for k, v in values.items()}
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"
