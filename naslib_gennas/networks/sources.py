"""Networks by name: ``FILE.py:function``, ``timm:NAME``, ``torchvision:NAME``, ``hf:CONFIG``; nothing is downloaded."""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sys
import traceback
import types
from pathlib import Path
from typing import Any, Callable, Dict, List

from torch import nn

from naslib_gennas import reading
from naslib_gennas.errors import InputError, said_by
from naslib_gennas.networks import torchvision_builds

FORMS = "FILE.py:function, timm:NAME, torchvision:NAME, or hf:CONFIG"


def is_name(text: str) -> bool:
    """Whether a text names a network of one of these sources."""
    source, _, rest = text.partition(":")
    return bool(rest) and (source in _SOURCES or _file_of(text) is not None)


def load(text: str) -> nn.Module:
    """The network of a name, with fresh weights from the global generators.

    Raises:
        InputError: an unknown name, a package that is not installed, or a function that fails.
    """
    found = _file_of(text)
    if found is not None:
        return _from_file(*found)
    source, _, rest = text.partition(":")
    if source not in _SOURCES or not rest:
        raise InputError(f"unknown network '{text}'; it takes {FORMS}")
    return made(lambda: _SOURCES[source](rest), text)


def made(function: Callable[[], Any], name: str) -> nn.Module:
    """What a function without arguments makes, which must be a module."""
    try:
        module = function()
    except InputError:
        raise
    except Exception as error:  # whatever the user's code or another package raises
        where = _place(error)
        raise InputError(f"'{name}' failed{where}: {type(error).__name__}: {said_by(error)}") from None
    if not isinstance(module, nn.Module):
        raise InputError(f"'{name}' gives a {type(module).__name__}; it takes a torch module (nn.Module)")
    return module


def _file_of(text: str) -> Any:
    path, separator, function = text.rpartition(":")
    return (path, function) if separator and path.endswith(".py") else None


def _from_file(path: str, function: str) -> nn.Module:
    file = Path(path)
    try:
        code = compile(file.read_text(encoding="utf-8"), str(file), "exec")
    except OSError as error:
        raise InputError(f"file '{path}' cannot be read: {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise InputError(f"file '{path}'{f', line {line}' if line else ''}: {said_by(error)}") from None
    module = types.ModuleType(f"gennas_network_{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # dataclasses and pickle look there
    beside = str(file.resolve().parent)
    sys.path.insert(0, beside)
    try:
        exec(code, module.__dict__)
        if function not in module.__dict__:
            names = [name for name, value in module.__dict__.items() if callable(value) and not name.startswith("_")]
            near = difflib.get_close_matches(function, names, 3, 0.0)
            raise InputError(f"file '{path}' has no '{function}'; it has {', '.join(near) or 'nothing to call'}")
        thing = module.__dict__[function]
        if isinstance(thing, nn.Module):
            return thing
        if not callable(thing):
            raise InputError(
                f"'{path}:{function}' is a {type(thing).__name__}; it takes a function that makes a module"
            )
        return made(thing, f"{path}:{function}")
    except InputError:
        raise
    except SystemExit:
        raise InputError(f"file '{path}' calls sys.exit") from None
    except Exception as error:  # whatever the user's code raises
        raise InputError(f"file '{path}'{_place(error, str(file))}: {type(error).__name__}: {said_by(error)}") from None
    finally:
        if beside in sys.path:
            sys.path.remove(beside)


def _timm(name: str) -> nn.Module:
    timm = _package("timm", "timm")
    if not timm.is_model(name):
        raise InputError(_unknown("timm", name, timm.list_models()))
    return timm.create_model(name, pretrained=False)


def _torchvision(name: str) -> nn.Module:
    models = _package("torchvision.models", "torchvision")
    if name not in models.list_models():
        raise InputError(_unknown("torchvision", name, models.list_models()))
    more: Dict[str, Any] = {"weights": None}
    builder = models.get_model_builder(name)
    if "weights_backbone" in builder.__annotations__:
        more["weights_backbone"] = None
    if name in ("googlenet", "inception_v3"):
        more["init_weights"] = True
    return builder(**more)


def _hf(config: str) -> nn.Module:
    """Of a config class (``ViTConfig``), a model type (``vit``) or a folder or file with a config.json."""
    transformers = _package("transformers", "transformers")
    if reading.is_file(config) or reading.is_folder(config):
        made_of = transformers.AutoConfig.from_pretrained(config, local_files_only=True)
    elif config.endswith("Config") and hasattr(transformers, config):
        made_of = getattr(transformers, config)()
    elif config in transformers.CONFIG_MAPPING:
        made_of = transformers.CONFIG_MAPPING[config]()
    else:
        if os.sep in config:
            raise InputError(f"hf:{config}: there is no folder '{config}'; it takes one that holds config.json")
        known = list(transformers.CONFIG_MAPPING.keys())
        near = _unknown("hf", re.sub("config$", "", config, flags=re.IGNORECASE), known)
        raise InputError(f"{near}; a folder that holds config.json does, too")
    return transformers.AutoModel.from_config(made_of)


def _package(module: str, name: str) -> Any:
    try:
        torchvision_builds.make_importable()  # timm and transformers import it, too
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"{name} is not installed ({said_by(error)}); pip install {name}") from None
    except Exception as error:  # an installation that does not fit to torch's
        raise InputError(f"{name} cannot be imported ({said_by(error)})") from None


def _unknown(source: str, name: str, known: List[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, 3, 0.5)
    return f"{source} has no network '{name}'" + (f"; did you mean {', '.join(near)}?" if near else "")


_SOURCES: Dict[str, Callable[[str], nn.Module]] = {"timm": _timm, "torchvision": _torchvision, "hf": _hf}


def _place(error: Exception, path: str = "") -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path or not path]
    return f", line {frames[-1].lineno}" if frames and path else ""
