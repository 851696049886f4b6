"""Models of benchmark scores: latent capabilities, and two stages through the loss."""
