"""Backbones: one interface over pretrained convolutional networks."""
