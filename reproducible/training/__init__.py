"""Training: seeding, optimiser groups, checkpoints, the loop."""
