"""Base: what knows no model: errors, notes, settings, numbers, files, progress."""
