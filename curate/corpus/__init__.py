"""Corpus stages: measure a sample against all others, one stage a file; see `curate.stages.CorpusStage`."""
