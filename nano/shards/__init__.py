"""Make the bundled shards: samples of scenes, some with planted defects."""
