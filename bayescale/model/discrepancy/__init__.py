"""Model discrepancy: Gaussian processes over (ln N, ln D), their compiled operations."""
