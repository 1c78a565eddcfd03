"""Looking at a run: SQL, one sample, the funnel, errors, reports."""
