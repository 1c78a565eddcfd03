"""How the open lexicon and its list of words are made: `python -m benchmarks.lexicon.make`."""
