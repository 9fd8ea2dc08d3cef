"""Every search space, one file each; `get` finds one by name, `from_function` makes one of the user's own."""

from naslib_gennas.spaces.functions import NotAllowed
from naslib_gennas.spaces.own import from_configspace, from_function
from naslib_gennas.spaces.registry import get, names, search_space
from naslib_gennas.spaces.space import SearchSpace, Size, build, identity

__all__ = [
    "NotAllowed",
    "SearchSpace",
    "Size",
    "build",
    "from_configspace",
    "from_function",
    "get",
    "identity",
    "names",
    "search_space",
]
