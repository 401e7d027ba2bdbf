"""Attention for zero-shot image retrieval: five documents reproduced, measured and judged."""

__version__ = "0.1.0"
