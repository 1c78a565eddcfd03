"""Prompts, hints and untrusted text."""
