"""Pure functions that compare many samples: hashes, groups, clusters, quantiles; arrays and texts in, arrays out."""
