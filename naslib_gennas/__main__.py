"""``python -m naslib_gennas`` is the command ``gennas``."""

from naslib_gennas.cli.app import main

if __name__ == "__main__":
    main()
