"""Every search space, one file each; `get` finds one by name."""

from naslib_gennas.spaces.base import SearchSpace, Size, build, get, names, search_space

__all__ = ["SearchSpace", "Size", "build", "get", "names", "search_space"]
