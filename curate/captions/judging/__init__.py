"""Prompts and answers of judges, and their agreement with labels."""
