"""Run any NASLib script unchanged, with our measures registered and NASLib's imports repaired.

python -m naslib_gennas.plugin.run NASLib/naslib/runners/zc/runner.py --config-file X.yaml
"""

from __future__ import annotations

import ast
import contextlib
import sys
import types
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence

from naslib_gennas.errors import InputError
from naslib_gennas.plugin import benchmark as benchmarks
from naslib_gennas.plugin import compat, config, measure, nas, predictors, upstream, warm_start
from naslib_gennas.plugin.graph_space import NaslibSpace
from naslib_gennas.plugin.scoring import FEW_SHOT, TASKS, GraphScorer, finite

# The dictionaries in which NASLib's runners look an optimizer or a predictor up.
_TABLES = ("supported_optimizers", "supported_predictors")
# This module's name, which is another where it runs as a program.
_HERE = "naslib_gennas.plugin.run"


def run(argv: Sequence[str]) -> None:
    """Run the script that `argv` names with the arguments that follow it.

    NASLib's own runners find our optimizer and predictors beside theirs, and read our keys in their YAML.

    Raises:
        InputError: no script is named, the file is absent, NASLib is, or its benchmark data that the script asks for;
            the config has a key or a measure that nobody knows; or a runner of NASLib ends with an exception.
    """
    if not argv:
        raise InputError("no script: write python -m naslib_gennas.plugin.run SCRIPT.py ARGS...")
    script = Path(argv[0])
    if not script.is_file():
        raise InputError(f"script '{script}' is not there")
    compat.require_naslib()
    if not measure.registered():
        measure.register()
    try:
        code = compile(_extended(script.read_text(encoding="utf-8"), script), str(script), "exec")
    except (SyntaxError, ValueError) as error:
        raise InputError(f"script '{script}' is no Python: {error}") from None
    with _as_main(script, argv), upstream.mended(), contextlib.ExitStack() as stack:
        _serve(stack)
        try:
            exec(code, sys.modules["__main__"].__dict__)
        except InputError:
            raise
        except Exception as error:
            if not compat.is_naslibs(script):  # the user's own script: its traceback is what helps
                raise
            raise InputError(f"NASLib's own {script.parent.name}/{script.name}: {compat.blame(error)}") from error


@contextlib.contextmanager
def _as_main(script: Path, argv: Sequence[str]) -> Iterator[None]:
    """The process as Python makes it for a script; as it was, after the block."""
    from naslib import utils

    module = types.ModuleType("__main__")
    module.__file__ = str(script)
    before = sys.argv, list(sys.path), sys.modules["__main__"], utils.parse_args.__defaults__
    sys.argv = [str(script), *argv[1:]]
    sys.path.insert(0, str(script.parent))
    sys.modules["__main__"] = module
    # NASLib took its command line when it was imported.
    utils.parse_args.__defaults__ = (before[3][0], sys.argv[1:])
    try:
        yield
    finally:
        sys.argv, sys.path[:], sys.modules["__main__"], utils.parse_args.__defaults__ = before


def _serve(stack: contextlib.ExitStack) -> None:
    """Until `stack` ends, what NASLib's runners call knows our keys and measures, and says in a line what is absent."""
    from naslib import utils

    # The module has the name of a function that NASLib puts in its place.
    apis = sys.modules["naslib.utils.get_dataset_api"]
    tables: List[NaslibSpace] = []
    put = {
        "get_config_from_args": _reading(utils.get_config_from_args, tables, stack),
        "get_dataset_api": _api_or_line(utils.get_dataset_api, tables),
        "get_zc_benchmark_api": _scores_or_line(utils.get_zc_benchmark_api),
    }
    for owner in (utils, apis):
        for name in put:
            if hasattr(owner, name):
                _put(stack, owner, name, put[name])


def _put(stack: contextlib.ExitStack, owner: Any, name: str, value: Any) -> None:
    """Set an attribute until `stack` ends."""
    if name in vars(owner):
        stack.callback(setattr, owner, name, vars(owner)[name])
    else:
        stack.callback(delattr, owner, name)
    setattr(owner, name, value)


def _reading(theirs: Callable[..., Any], tables: List[NaslibSpace], stack: contextlib.ExitStack) -> Callable[..., Any]:
    def get_config_from_args(args: Any = None, config_type: str = "nas") -> Any:
        """NASLib's configuration, with our keys checked and heeded, and with what its runners cannot do without."""
        from naslib import utils

        args = utils.parse_args() if args is None else args
        opts = list(getattr(args, "opts", None) or [])
        pairs = list(zip(opts[::2], opts[1::2]))
        mine = [pair for pair in pairs if pair[0].rpartition(".")[2].startswith("gennas")]
        if mine:  # NASLib takes new keys for Python
            args.opts = [word for pair in pairs if pair not in mine for word in pair]
        found = theirs(args, config_type)
        for key, value in config.override({"search": {}}, [word for pair in mine for word in pair]).items():
            if key != "search":
                found[key] = value
            elif value:
                found.search.update(value)
        config.check_keys(found)
        config.check_readers(found, config_type)
        usual = {"nas": nas.DEFAULTS, "bbo-bs": nas.DEFAULTS, "predictor": predictors.DEFAULTS}.get(config_type, {})
        # NASLib's runners make each of their optimizers and predictors, whichever is asked for.
        for key, value in usual.items():
            if isinstance(value, Mapping):
                for inner, item in value.items():
                    found[key].setdefault(inner, item) if key in found else None
            elif not key.startswith("gennas"):
                found.setdefault(key, value)
        config.check_measures(found, compat.measures().registry)
        if any(key in section for section in (found, found.get("search", {})) for key in config.GENNAS_KEYS):
            measure.register(**config.settings_of(found))
        if found.get("truth"):
            tables.append(_answer(found, stack))
        elif warm_start.check(found):
            space = NaslibSpace(benchmarks.prototype(found.search_space, found.dataset))
            _begin(found, benchmarks.Benchmark(space, space.fresh(), space.api), stack)
        return found

    return get_config_from_args


def _answer(settings: Any, stack: contextlib.ExitStack) -> NaslibSpace:
    """Let every graph of the search space answer from the table that the config names, as our runners do."""
    space = NaslibSpace(benchmarks.prototype(settings.search_space, settings.dataset))
    cls, table = type(space.fresh()), benchmarks.read_truth(settings.truth, space, settings.dataset)
    for name, method in benchmarks.answers(space, cls, table).items():
        _put(stack, cls, name, method)
    _begin(settings, benchmarks.Benchmark(space, space.fresh(), space.api, list(table)), stack)
    return space


def _begin(settings: Any, benchmark: benchmarks.Benchmark, stack: contextlib.ExitStack) -> None:
    """Let the optimizer begin with the best architectures by our score, where the config says so."""
    specs = warm_start.best(benchmark, settings, measure.current())
    if specs:
        cls = type(benchmark.graph)
        method = warm_start.sampling(cls.sample_random_architecture, benchmark, specs)
        _put(stack, cls, "sample_random_architecture", method)


def _api_or_line(theirs: Callable[..., Any], tables: List[NaslibSpace]) -> Callable[..., Any]:
    def get_dataset_api(search_space: Any = None, dataset: Any = None) -> Any:
        if tables:
            return tables[-1].api
        benchmarks.require_data(str(search_space), str(dataset))
        return theirs(search_space, dataset)

    return get_dataset_api


def _scores_or_line(theirs: Callable[..., Any]) -> Callable[..., Any]:
    def get_zc_benchmark_api(search_space: str, dataset: str) -> Mapping[str, Any]:
        try:
            published = theirs(search_space, dataset)
        except (OSError, KeyError) as error:
            raise InputError(
                f"NASLib's published scores zc_{search_space}.json with {dataset} are not in {compat.data_folder()}: "
                "get the file as NASLib's README says, or let python -m naslib_gennas.plugin.zc compute the scores"
            ) from error
        return with_ours(published, NaslibSpace(search_space))

    return get_zc_benchmark_api


def _extended(source: str, script: Path) -> ast.Module:
    """The script, with ours put into the dictionaries of NASLib's runners right after these are made."""
    tree = ast.parse(source, str(script))
    body: List[ast.stmt] = []
    for statement in tree.body:
        body.append(statement)
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Name) and target.id in _TABLES:
                line = f"{target.id}.update(__import__({_HERE!r}, fromlist=['ours']).ours(config))"
                more = ast.parse(line, "naslib_gennas").body[0]
                body.append(ast.copy_location(more, statement))
    tree.body = body
    return ast.fix_missing_locations(tree)


def ours(settings: Any) -> Dict[str, Any]:
    """Our optimizer, or our predictor, where a runner's configuration asks for it."""
    if settings.get("optimizer") == nas.OURS:
        return {nas.OURS: nas.make(nas.OURS, settings)}
    name = settings.get("predictor")
    if name in (*TASKS, FEW_SHOT):
        return {name: predictors.make_ours(name, settings)}
    return {}


class _Row(Dict[str, Any]):
    """Published scores of one architecture; those of our measures are computed when they are asked for."""

    def __init__(self, published: Mapping[str, Any], arch: str, space: NaslibSpace, scorer: GraphScorer) -> None:
        super().__init__(published)
        self._arch, self._space, self._scorer = arch, space, scorer

    def __contains__(self, name: object) -> bool:
        return name in TASKS or super().__contains__(name)

    def __missing__(self, name: str) -> Dict[str, float]:
        if name not in TASKS:
            raise KeyError(name)
        spec = self._space.parse(ast.literal_eval(self._arch))
        return {"score": finite(self._scorer.score_spec(self._space, spec, TASKS[name]))}


def with_ours(published: Mapping[str, Mapping[str, Any]], space: NaslibSpace) -> Dict[str, _Row]:
    """NASLib's published zero-cost scores with those of our measures among them."""
    scorer = measure.current()
    return {arch: _Row(row, arch, space, scorer) for arch, row in published.items()}


def main() -> int:
    """`python -m naslib_gennas.plugin.run`."""
    return config.command(run)


if __name__ == "__main__":
    sys.exit(main())
