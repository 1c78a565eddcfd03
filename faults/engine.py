"""The kill harness on a real engine: vLLM with the nano VLM, greedy."""

from pathlib import Path

from curate.pipeline import Pipeline
from faults.kills import World
from pipelines.quickstart import quickstart

__all__ = ["captions", "engine_world"]


def captions(max_tokens: int = 40) -> Pipeline:
    """Return the quickstart's caption stage alone, behind its cheapest expert."""
    from dataclasses import replace

    from curate.captions.prompting.hints import Hints
    from curate.experts.dense_caption import DenseCaption
    from curate.experts.image_facts import ImageFacts

    caption = next(stage for stage in quickstart().stages if isinstance(stage, DenseCaption))
    return Pipeline([ImageFacts(), replace(caption, hints=Hints(blocks=()), max_tokens=max_tokens)])


def engine_world(folder: Path) -> World:
    """Return one nano shard's world; its reference is made by the real engine."""
    folder.mkdir(parents=True)
    return World(folder, Path("nano/shards/world-000000.tar"), ("faults/engine.py:captions", "--limit", "48"))
