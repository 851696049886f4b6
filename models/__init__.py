"""The shipped specs; read with `importlib.resources`. Copy one, edit it, run it."""
