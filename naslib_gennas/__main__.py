"""``python -m naslib_gennas`` is the command ``gennas``."""

from naslib_gennas.cli import main

if __name__ == "__main__":
    main()
