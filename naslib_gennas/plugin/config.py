"""NASLib's YAML files, read the way NASLib reads them, with its pitfalls named before they bite."""

from __future__ import annotations

import itertools
import logging
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

import yaml

from naslib_gennas import reading
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.plugin import compat

#: The config keys of the plugin besides NASLib's own: key -> the field of `Settings` that it sets.
GENNAS_KEYS = {
    "gennas_profile": "profile",
    "gennas_inputs": "inputs",
    "gennas_seeds": "seeds",
    "gennas_steps": "steps",
    "gennas_network": "network",
}


#: Keys of ours that single runners read for themselves.
OTHER_KEYS = ("gennas_task", "gennas_search_seconds", "gennas_finalists", "gennas_workers", "gennas_warm_start")
KEYS = (*GENNAS_KEYS, *OTHER_KEYS)
#: For some of these, the key of the config whose value decides whether anything reads them, and those that do.
READERS = {
    "gennas_search_seconds": ("predictor", ("gennas",)),
    "gennas_finalists": ("optimizer", ("gennas_re",)),
    "gennas_warm_start": ("optimizer", ()),  # which of them take one is checked with the number
}


def read(argv: Sequence[str], kind: str, defaults: Mapping[str, Any], choices: Mapping[str, Sequence[str]]) -> Any:
    """The configuration that NASLib's command line describes, with its folders made.

    Args:
        argv: what follows the program's name: ``--config-file X.yaml [key value ...]``.
        kind: NASLib's type of configuration ("predictor", "zc" or "nas").
        defaults: values of keys that the file leaves out.
        choices: for some keys the values that they may have (a list is checked entry by entry).

    Raises:
        InputError: no file, not YAML, a key or value that NASLib cannot read, or a value that is not in `choices`.
    """
    compat.require_naslib()
    from naslib import utils

    args = utils.parse_args(args=list(argv))
    if args.config_file is None:
        raise InputError("no config file: write --config-file FILE.yaml, as for NASLib's own runners")
    content = load(Path(args.config_file))
    if args.seed is not None:
        content["seed"] = _int(args.seed)
    merged = override(_merge(defaults, content), args.opts or [])
    args.opts = []
    check_keys(merged)
    check_readers(merged, kind)
    _check_types(merged, defaults)
    for key, known in choices.items():
        given = merged.get(key, [])
        for value in given if isinstance(given, list) else [given]:
            if value not in known:
                raise InputError(f"config key '{key}': unknown {key.rstrip('s')} '{value}'{suggest(str(value), known)}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(yaml.safe_dump(merged, sort_keys=False), encoding="utf-8")
        args.config_file = str(path)
        return utils.get_config_from_args(args, config_type=kind)


def load(path: Path) -> Dict[str, Any]:
    """The content of a config file that NASLib can read: sections of one level, and no empty values.

    Raises:
        InputError: the file cannot be read, or a key is nested deeper or empty.
    """
    content = reading.from_yaml(reading.text(path, "config file"), f"config file '{path}'")
    if not isinstance(content, dict):
        raise InputError(f"config file '{path}' must hold keys and values, such as 'search_space: nasbench201'")
    for key, value in content.items():
        for inner, item in value.items() if isinstance(value, dict) else [("", value)]:
            name = f"{key}.{inner}" if inner else str(key)
            if isinstance(item, dict):
                raise InputError(
                    f"config file '{path}': key '{name}' holds keys itself; NASLib reads one level of sections: write "
                    f"{', '.join(f'{inner}_{deeper}' for deeper in item)} under '{key}'"
                )
            if item is None:
                raise InputError(
                    f"config file '{path}': key '{name}' has no value; NASLib cannot read that: give it one or leave "
                    "the key out"
                )
    return content


def check_keys(content: Mapping[str, Any]) -> None:
    """Refuse a key that looks like one of ours and is none.

    Raises:
        InputError: there is one, at the top or in a section.
    """
    for key in itertools.chain(content, *(section for section in content.values() if isinstance(section, dict))):
        if str(key).startswith("gennas") and key not in KEYS:
            raise InputError(f"config key '{key}' is none of naslib-gennas{suggest(str(key), KEYS)}")


def check_readers(content: Mapping[str, Any], kind: str) -> None:
    """Refuse a key of ours that nothing in the run would read, unless its value asks for nothing.

    Raises:
        InputError: there is one, at the top or under `search:`.
    """
    reads = {"nas": "optimizer", "bbo-bs": "optimizer", "predictor": "predictor"}.get(kind, "")
    for key, (which, readers) in READERS.items():
        asked = content.get(f"{which}s") or content.get(which)
        named = asked if isinstance(asked, list) else [asked]
        idle = which != reads or (readers and not set(named) & set(readers))
        if idle and any(section.get(key) for section in (content, content.get("search") or {})):
            who = f"'{which}: {readers[0]}'" if readers else f"a search with '{which}:'"
            raise InputError(f"config key '{key}' has no effect here: only {who} reads it; leave it out, or write 0")


def check_measures(config: Any, registry: Mapping[str, Any]) -> None:
    """Refuse names of zero-cost measures that NASLib does not have: its optimizers find out once they search.

    Raises:
        InputError: `zc_names` has one.
    """
    known = {*registry, "flops", "params"}  # NASLib counts these two without a measure
    for section in (config, getattr(config, "search", {})):
        given = section.get("zc_names", None) or []
        for name in given if isinstance(given, (list, tuple)) else [given]:
            if name not in known:
                raise InputError(f"config key 'zc_names': unknown measure '{name}'{suggest(str(name), known)}")


def settings_of(config: Any) -> Dict[str, Any]:
    """The fields of `Settings` that a configuration sets, under `search:` or at the top."""
    found: Dict[str, Any] = {"seed": int(config.seed)}
    for section in (config, getattr(config, "search", {})):
        for key, field in GENNAS_KEYS.items():
            if key in section:
                found[field] = section[key]
    return found


def value_of(config: Any, key: str, usual: Any) -> Any:
    """The value of a key of ours, under `search:` or at the top."""
    for section in (getattr(config, "search", {}), config):
        if key in section:
            return section[key]
    return usual


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Write what NASLib and the plugin log to a file, and to the standard output."""
    form = logging.Formatter("[%(asctime)s] %(name)s %(levelname)s: %(message)s", datefmt="%m/%d %H:%M:%S")
    handlers: List[logging.Handler] = [logging.FileHandler(path, mode="a", encoding="utf-8")]
    handlers.append(logging.StreamHandler(sys.stdout))
    loggers = [logging.getLogger(name) for name in ("naslib", "naslib_gennas")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for handler in handlers:
        handler.setFormatter(form)
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.propagate = False
        for handler in handlers:
            logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before):
            for handler in handlers:
                logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        handlers[0].close()


def command(run: Callable[[Sequence[str]], Any], argv: Optional[Sequence[str]] = None) -> int:
    """Run a runner as a program: a user's mistake is one line on the standard error and exit code 2."""
    try:
        run(list(sys.argv[1:] if argv is None else argv))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _merge(defaults: Mapping[str, Any], content: Mapping[str, Any]) -> Dict[str, Any]:
    merged = dict(defaults)
    for key, value in content.items():
        usual = merged.get(key)
        merged[key] = {**usual, **value} if isinstance(usual, dict) and isinstance(value, dict) else value
    return merged


def _check_types(content: Mapping[str, Any], usual: Mapping[str, Any]) -> None:
    """Refuse a value that is of another type than the usual one of its key."""
    names = {int: "a whole number", float: "a number", str: "a text", list: "a list", dict: "a section of keys"}
    for key, like in usual.items():
        value = content.get(key, like)
        if isinstance(like, dict) and isinstance(value, dict):
            _check_types(value, like)
        elif not isinstance(like, bool) and not (
            type(value) is type(like) or (type(like) is float and type(value) is int)
        ):
            raise InputError(f"config key '{key}' is {value!r}; it takes {names[type(like)]}, like {like!r}")


def override(content: Dict[str, Any], opts: Sequence[str]) -> Dict[str, Any]:
    """`content` with the overrides of the command line, which keep each value's type.

    NASLib's own way of reading them turns lists into letters and "False" into true.
    """
    if len(opts) % 2:
        raise InputError(f"command line: '{opts[-1]}' stands alone; overrides are pairs of key and value")
    changed = {key: dict(value) if isinstance(value, dict) else value for key, value in content.items()}
    known = [*content, *(f"{k}.{inner}" for k, v in content.items() if isinstance(v, dict) for inner in v)]
    for key, text in zip(opts[::2], opts[1::2]):
        first, _, second = key.partition(".")
        section: Any = changed.get(first) if second else changed
        if isinstance(section, dict) and (second or first) in KEYS and (second or first) not in section:
            section[second or first] = yaml.safe_load(text)
            continue
        if (
            not isinstance(section, dict)
            or (second or first) not in section
            or isinstance(section[second or first], dict)
        ):
            raise InputError(f"command line: no key '{key}' in the config file{suggest(key, known)}")
        before = section[second or first]
        value = text if isinstance(before, str) else reading.from_yaml(text, f"command line: key '{key}'")
        if isinstance(before, float) and isinstance(value, int):
            value = float(value)
        if type(value) is not type(before):
            raise InputError(
                f"command line: key '{key}' is '{text}'; it takes a {type(before).__name__}, like {before!r}"
            )
        section[second or first] = value
    return changed


def _int(text: Any) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"command line: seed '{text}' is no whole number") from None
