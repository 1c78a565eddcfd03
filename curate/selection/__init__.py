"""How much of a pool to keep for a training budget: pure functions over buckets, their utilities and their runs."""
