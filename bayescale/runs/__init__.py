"""Runs: the table of training runs, its columns and groups, and readers of other tools' files."""
