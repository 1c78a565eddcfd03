"""Make the bundled shards: scenes, planted defects."""
