"""The command `gennas`: one file a command; nothing here but parsing, calling and printing."""

from naslib_gennas.cli.app import app, main

__all__ = ["app", "main"]
