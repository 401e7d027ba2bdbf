"""Losses: a function with the mathematics and a thin Module, one loss a file."""
