"""Data sets: manifests, the packed store, class splits, crops and the P x K sampler.

Only ``transforms``, ``sampler`` and ``cards`` import torch, so that splits and manifests can be read without it.
"""
