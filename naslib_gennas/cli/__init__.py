"""The command `gennas`."""

from naslib_gennas.cli.app import app, main

__all__ = ["app", "main"]
