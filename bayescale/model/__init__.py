"""Model: what a spec says, the arrays it needs, and the density that they make."""
