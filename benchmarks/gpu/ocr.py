"""The OCR by ONNX Runtime: on the GPU if its CUDA provider is installed, and on one CPU core."""

import time
from collections.abc import Iterator

import pyarrow as pa

from benchmarks.gpu.inputs import page
from benchmarks.gpu.step import Row, Setting
from benchmarks.gpu.watch import watching
from curate.experts.ocr import Ocr
from curate.experts.ocr_models import bundled
from curate.pixels import decode
from curate.stages import Batch, Resources

__all__ = ["measure"]

CUDA = "CUDAExecutionProvider"
LINES = (0, 4, 20)


def measure(setting: Setting) -> Iterator[Row]:
    """Yield a line for pages with no, some and much text: images per second on CPU and GPU."""
    why_not = _lacks() if setting.gpu else "no GPU"
    for place, gpus in [("1 CPU core", 0.0), *([] if why_not else [("GPU", 1.0)])]:
        score = Ocr(resources=Resources(gpus=gpus)).load()
        for lines in LINES:
            pages = [page(number, lines) for number in range(setting.scale.pages)]
            images = [decode(payload, 0) for payload in pages]
            table = pa.table({"uid": [str(i) for i in range(len(pages))]})
            score(Batch(table.slice(0, 1), pages[:1], images[:1]))
            with watching(setting.gpu) as watch:
                start = time.perf_counter()
                measured = score(Batch(table, pages, images))
                seconds = time.perf_counter() - start
            read = sum(map(len, measured.columns["ocr_lines"])) / len(pages)
            figures: Row = {"images/s": round(len(pages) / seconds, 2), "lines read": read}
            yield {"lines a page": lines, "where": place, **figures, **watch.row()}
    if why_not:
        yield {"lines a page": None, "where": f"GPU: not measured, {why_not}"}


def _lacks() -> str | None:
    """Say why ONNX Runtime would not use the GPU, null if it does: it falls back to the CPU with only a warning."""
    import onnxruntime
    import torch  # noqa: F401  (brings the CUDA libraries that the provider links to, as CLIP does in a worker)

    if CUDA not in onnxruntime.get_available_providers():
        return f"onnxruntime {onnxruntime.__version__} has no {CUDA}"
    session = onnxruntime.InferenceSession(str(bundled("det").path()), providers=[CUDA, "CPUExecutionProvider"])
    return None if CUDA in session.get_providers() else f"the {CUDA} cannot be loaded, see the log of this step"
