"""What setup.cfg cannot say: a .pth file beside the package, and a description whose links work on a package index."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import List

from setuptools import setup
from setuptools.command.build_py import build_py

#: Lets NASLib find the measures: Python reads it in site-packages itself.
HOOK = "naslib_gennas_hook.pth"
#: Where the repository can be read, once it is public; the description's pictures and links then lead there.
REPOSITORY = ""


class BuildWithHook(build_py):
    """Builds the package, and puts the hook beside it."""

    def run(self) -> None:
        super().run()
        if not getattr(self, "editable_mode", False):
            self.copy_file(HOOK, os.path.join(self.build_lib, HOOK))

    def get_outputs(self, include_bytecode: bool = True) -> List[str]:
        return [*super().get_outputs(include_bytecode), os.path.join(self.build_lib, HOOK)]


def description() -> str:
    """The README with absolute links; without a place to lead to, pictures are left out and links are their text."""
    text = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    here = r"(?!https?://|#|mailto:)"
    if REPOSITORY:
        text = re.sub(rf"!\[([^]]*)\]\({here}([^)]+)\)", rf"![\1]({REPOSITORY}/raw/main/\2)", text)
        return re.sub(rf"(?<!!)\[([^]]*)\]\({here}([^)]+)\)", rf"[\1]({REPOSITORY}/blob/main/\2)", text)
    text = re.sub(rf"!\[[^]]*\]\({here}[^)]+\)\n*", "", text)
    return re.sub(rf"\[([^]]*)\]\({here}[^)]+\)", r"\1", text)


setup(long_description=description(), cmdclass={"build_py": BuildWithHook})
