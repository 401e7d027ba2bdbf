"""What the records say about the claims: criteria, contrasts, their statistics, verdicts. Nothing here trains."""
