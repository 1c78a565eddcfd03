"""A recipe in a file of its own, for tests that give one to the command line."""

LONG_TEXTS = """
from curate.pipeline import Pipeline
from tests.support.stages import AtLeast, TextLength

def long_texts(shortest: int = 3, strict: bool = False, names: tuple[str, ...] = ()) -> Pipeline:
    if shortest < 0:
        raise ValueError("shortest must be 0 or more")
    return Pipeline([TextLength(), AtLeast("text_length", shortest + strict)])

def wrong() -> int:
    return 1
"""
