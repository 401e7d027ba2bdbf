"""Photographs that a reader brings: where they are, how their annotations are written, and how they are packed."""
