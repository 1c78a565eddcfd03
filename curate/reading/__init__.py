"""Read a dataset or an export from Python: lazy samples, tables, and a dataset for torch."""
