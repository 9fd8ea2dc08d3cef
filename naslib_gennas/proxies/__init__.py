"""Every way to score a network, one file each; `get` finds one by name."""

from naslib_gennas.proxies.proxy import Proxy, Score
from naslib_gennas.proxies.registry import USUAL, get, load_file, named, names, proxy, proxy_family

__all__ = ["USUAL", "Proxy", "Score", "get", "load_file", "named", "names", "proxy", "proxy_family"]
