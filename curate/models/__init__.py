"""Files of models: weights, optional packages, loading, caches."""
