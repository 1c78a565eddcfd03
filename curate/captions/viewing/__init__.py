"""What a writer is shown."""
