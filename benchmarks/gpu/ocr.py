"""The OCR by ONNX Runtime: on the GPU if its CUDA provider is installed, and on one CPU core."""

import time
from collections.abc import Iterator

import pyarrow as pa

from benchmarks.gpu.inputs import page
from benchmarks.gpu.step import Row, Setting
from benchmarks.gpu.watch import watching
from curate.experts.ocr import Ocr
from curate.pixels import decode
from curate.stages import Batch, Resources

__all__ = ["measure"]

CUDA = "CUDAExecutionProvider"


def measure(setting: Setting) -> Iterator[Row]:
    """Yield a line for pages with no, some and much text: images per second on CPU and GPU."""
    import onnxruntime
    import torch  # noqa: F401  (brings the CUDA libraries that the provider links to, as CLIP does in a worker)

    has_cuda = CUDA in onnxruntime.get_available_providers()
    places = [("1 CPU core", 0.0), *([("GPU", 1.0)] if setting.gpu and has_cuda else [])]
    for place, gpus in places:
        score = Ocr(resources=Resources(gpus=gpus)).load()
        for lines in (0, 4, 20):
            pages = [page(number, lines) for number in range(setting.scale.pages)]
            images = [decode(payload, 0) for payload in pages]
            table = pa.table({"uid": [str(i) for i in range(len(pages))]})
            score(Batch(table.slice(0, 1), pages[:1], images[:1]))
            with watching(setting.gpu) as watch:
                start = time.perf_counter()
                measured = score(Batch(table, pages, images))
                seconds = time.perf_counter() - start
            read = sum(map(len, measured.columns["ocr_lines"])) / len(pages)
            row = {
                "lines a page": lines,
                "where": place,
                "images/s": round(len(pages) / seconds, 2),
                "lines read": read,
            }
            yield {**row, **watch.row()}
    if len(places) == 1:
        why = f"onnxruntime has no {CUDA}" if setting.gpu else "no GPU"
        yield {"lines a page": "-", "where": f"GPU: not measured, {why}"}
