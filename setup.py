"""What setup.cfg cannot say: the .pth file that lets NASLib find the measures goes into site-packages itself."""

from __future__ import annotations

import os
from typing import List

from setuptools import setup
from setuptools.command.build_py import build_py

HOOK = "naslib_gennas_hook.pth"


class BuildWithHook(build_py):
    """Builds the package, and puts the hook beside it."""

    def run(self) -> None:
        super().run()
        if not getattr(self, "editable_mode", False):
            self.copy_file(HOOK, os.path.join(self.build_lib, HOOK))

    def get_outputs(self, include_bytecode: bool = True) -> List[str]:
        return [*super().get_outputs(include_bytecode), os.path.join(self.build_lib, HOOK)]


setup(cmdclass={"build_py": BuildWithHook})
