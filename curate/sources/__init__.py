from curate.sources.find import find_shards
from curate.sources.read import count, fetch, scan
from curate.sources.shard import Shard, SourceSample, sample_uid

__all__ = ["Shard", "SourceSample", "count", "fetch", "find_shards", "sample_uid", "scan"]
