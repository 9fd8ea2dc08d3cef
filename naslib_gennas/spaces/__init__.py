"""Every search space, one file each; `get` finds one by name."""

from naslib_gennas.spaces.registry import get, names, search_space
from naslib_gennas.spaces.space import SearchSpace, Size, build

__all__ = ["SearchSpace", "Size", "build", "get", "names", "search_space"]
