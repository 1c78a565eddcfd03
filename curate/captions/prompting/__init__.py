"""What a writer is told, and what strangers and experts tell it."""
