"""Bundled tables, a card beside each; read with `importlib.resources`."""
