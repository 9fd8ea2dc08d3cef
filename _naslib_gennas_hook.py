"""Imported at the start of every Python by the .pth file beside it: when NASLib is imported, our measures are there.

Nothing happens in a process that does not import NASLib. ``GENNAS_NASLIB_HOOK=0`` in the environment turns it off.
"""

import sys


class Finder:
    """Watches for two modules of NASLib; to find them is left to Python."""

    WATCHED = ("naslib", "naslib.predictors")

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        """The spec of a watched module, with what is to be done when it is loaded; None for all others."""
        if name not in cls.WATCHED:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module):
            if name == "naslib":
                _guarded("apply_shims")
                load(module)
            else:
                load(module)
                _guarded("register")

        spec.loader.exec_module = exec_module
        return spec


def _guarded(what):
    """Call `what` of the plugin; a fault of ours must not keep anybody from importing NASLib."""
    try:
        if what == "register":
            from naslib_gennas.plugin.measure import register, registered

            if not registered():
                register()
        else:
            from naslib_gennas.plugin.compat import apply_shims

            apply_shims()
    except Exception as error:
        import warnings

        reason = " ".join(str(error).split())
        warnings.warn(
            f"naslib-gennas: its measures are not in NASLib ({type(error).__name__}: {reason}); "
            "GENNAS_NASLIB_HOOK=0 turns this off",
            RuntimeWarning,
            stacklevel=2,
        )


def install():
    """Begin to watch, unless the environment says not to."""
    import os

    if os.environ.get("GENNAS_NASLIB_HOOK", "1") != "0" and Finder not in sys.meta_path:
        sys.meta_path.insert(0, Finder)
