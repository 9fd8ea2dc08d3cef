"""What setup.cfg cannot say: a .pth file beside the package, and a description that reads well on a package index."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import List

from setuptools import setup
from setuptools.command.build_py import build_py

#: Lets NASLib find the measures: Python reads it in site-packages itself.
HOOK = "naslib_gennas_hook.pth"


class BuildWithHook(build_py):
    """Builds the package, and puts the hook beside it."""

    def run(self) -> None:
        super().run()
        if not getattr(self, "editable_mode", False):
            self.copy_file(HOOK, os.path.join(self.build_lib, HOOK))

    def get_outputs(self, include_bytecode: bool = True) -> List[str]:
        return [*super().get_outputs(include_bytecode), os.path.join(self.build_lib, HOOK)]


def description() -> str:
    """The README without what has no place to lead to on a package index: pictures, and links to other files."""
    text = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    here = r"(?!https?://|#|mailto:)"
    text = re.sub(rf"!\[[^]]*\]\({here}[^)]+\)\n*", "", text)
    return re.sub(rf"\[([^]]*)\]\({here}[^)]+\)", r"\1", text)


setup(long_description=description(), cmdclass={"build_py": BuildWithHook})
