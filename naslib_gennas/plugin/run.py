"""Run any NASLib script unchanged, with our measures registered and NASLib's imports repaired.

python -m naslib_gennas.plugin.run NASLib/naslib/runners/zc/runner.py --config-file X.yaml
"""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path
from typing import Any, Dict, Mapping, Sequence

from naslib_gennas.errors import InputError
from naslib_gennas.plugin import compat, config
from naslib_gennas.plugin.graph_space import NaslibSpace
from naslib_gennas.plugin.measure import register
from naslib_gennas.plugin.scoring import TASKS, GraphScorer, Settings, finite


def run(argv: Sequence[str]) -> None:
    """Run the script that `argv` names with the arguments that follow it.

    Raises:
        InputError: no script is named, or the file is absent, or NASLib is.
    """
    if not argv:
        raise InputError("no script: write python -m naslib_gennas.plugin.run SCRIPT.py ARGS...")
    script = Path(argv[0])
    if not script.is_file():
        raise InputError(f"script '{script}' is not there")
    compat.require_naslib()
    register()
    from naslib import utils

    published = utils.get_zc_benchmark_api

    def get_zc_benchmark_api(search_space: str, dataset: str) -> Mapping[str, Any]:
        return with_ours(published(search_space, dataset), NaslibSpace(search_space))

    # NASLib's zero-cost runner looks scores up in a published file, which has none of ours.
    utils.get_zc_benchmark_api = get_zc_benchmark_api
    before = sys.argv, list(sys.path)
    sys.argv = [str(script), *argv[1:]]
    sys.path.insert(0, str(script.parent))
    # NASLib took its command line when it was imported.
    utils.parse_args.__defaults__ = (utils.parse_args.__defaults__[0], sys.argv[1:])
    try:
        runpy.run_path(str(script), run_name="__main__")
    finally:
        sys.argv, sys.path[:] = before
        utils.get_zc_benchmark_api = published


class _Row(Dict[str, Any]):
    """Published scores of one architecture; those of our measures are computed when they are asked for."""

    def __init__(self, published: Mapping[str, Any], arch: str, space: NaslibSpace, scorer: GraphScorer) -> None:
        super().__init__(published)
        self._arch, self._space, self._scorer = arch, space, scorer

    def __missing__(self, name: str) -> Dict[str, float]:
        if name not in TASKS:
            raise KeyError(name)
        spec = self._space.parse(ast.literal_eval(self._arch))
        return {"score": finite(self._scorer.score_spec(self._space, spec, TASKS[name]))}


def with_ours(published: Mapping[str, Mapping[str, Any]], space: NaslibSpace) -> Dict[str, _Row]:
    """NASLib's published zero-cost scores with those of our measures among them."""
    scorer = GraphScorer(Settings())
    return {arch: _Row(row, arch, space, scorer) for arch, row in published.items()}


def main() -> int:
    """`python -m naslib_gennas.plugin.run`."""
    return config.command(run)


if __name__ == "__main__":
    sys.exit(main())
