"""The network of an architecture as files: Python source, torch.export, ONNX, a picture, a genotype."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import shlex
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import torch
from torch import nn

from naslib_gennas import files, spaces
from naslib_gennas._version import __version__
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.networks.cells import Genotype
from naslib_gennas.randomness import derive, isolated
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import drawing, model_file
from naslib_gennas.studies.constraints import Constraint, fit_width, of_width
from naslib_gennas.studies.published import NETWORK, PUBLISHED, Cost, build, cost, evaluating, example, given

#: What a network is written as, by the ending of the file; "genotype" is the notation of the architecture.
FORMATS = {
    ".py": "Python source that builds it, untrained",
    ".pt2": "what torch.export saves, with weights",
    ".onnx": "ONNX, with weights",
    ".svg": "a picture of its cells",
    "genotype": "the architecture in the notation that training scripts read",
}
_INSTALL = "pip install onnx onnxruntime onnxscript"


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        arch: in the space's notation.
        cost: of the network.
        written: the files.
        genotype: the architecture as text, where it was asked for without a file.
    """

    arch: str
    cost: Cost
    written: Tuple[Path, ...]
    genotype: Optional[str]

    def to_json(self) -> Dict[str, Any]:
        """As plain data: what `--json` holds."""
        return {
            "arch": self.arch,
            "params": self.cost.params,
            "flops": self.cost.flops,
            "resolution": self.cost.resolution,
            "written": [str(path) for path in self.written],
            "genotype": self.genotype,
        }


def export(
    space: Union[str, SearchSpace[Any]],
    arch: Any,
    to: Sequence[Union[str, Path]],
    *,
    classes: Optional[int] = None,
    resolution: Optional[int] = None,
    size: str = PUBLISHED,
    seed: int = 0,
    weights: Union[str, Path, None] = None,
    overwrite: bool = False,
) -> Exported:
    """Write the network of an architecture to files; all of them are the same network with the same weights.

    Args:
        space, arch, classes, resolution, size: as in `network`.
        to: files, each with one of the endings of `FORMATS`, or "genotype".
        seed: of the initial weights.
        weights: a file with a trained state_dict (``torch.save(model.state_dict(), ...)``) for .pt2 and .onnx.
        overwrite: whether existing files are replaced.

    Raises:
        InputError: as `network`; a file that cannot be written or is there; an ending that is none of `FORMATS`;
            weights that do not fit; a package that is missing.
    """
    found, parsed, resolution = given(space, arch, resolution)
    wanted = [(path, _format(path)) for path in dict.fromkeys(map(str, to))]
    if not wanted:
        raise InputError(f"nothing to write; it takes a file with one of the endings {', '.join(FORMATS)}")
    for path, kind in wanted:
        if path != kind:
            _check_free(path, overwrite)
        if kind == ".onnx":
            _check_onnx()
        if kind == ".py" and weights is not None:
            raise InputError(f"'{path}' is source and has no weights; '{weights}' goes into .pt2 and .onnx")
    with isolated(derive(seed, "initialisation")):
        model = build(found, parsed, classes, resolution, size)
        price = cost(found, model, resolution)
        inputs = example(found, 2, resolution, classes)
    if weights is not None:
        _load(model, Path(weights))
    written, text = [], None
    for path, kind in wanted:
        if kind == path:
            text = notation(found, parsed)
            continue
        files.write_output(path, _content(kind, found, parsed, model, inputs, price, classes))
        written.append(Path(path))
    return Exported(found.format(parsed), price, tuple(written), text)


def _format(path: str) -> str:
    if path == "genotype" or path.endswith(".genotype"):
        return "genotype"
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        known = [f"FILE{name}" if name.startswith(".") else name for name in FORMATS]
        raise InputError(f"'{path}' is no known kind of file{suggest(path, known)}")
    return ending


def _check_free(path: str, overwrite: bool) -> None:
    existed = Path(path).exists()
    files.check_writable(path)
    if existed and not overwrite:
        raise InputError(f"'{path}' is there already; choose another name, or --overwrite")


def _check_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(f".onnx needs the package {error.name}: {_INSTALL}") from None


def _load(model: nn.Module, file: Path) -> None:
    """Load trained weights, every one of them."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"weights '{file}' cannot be read: {error.strerror}") from None
    except Exception as error:  # torch says in many ways that a file is none of its own
        raise InputError(f"weights '{file}' are no state_dict: {' '.join(str(error).split())[:120]}") from None
    if not isinstance(state, dict):
        raise InputError(f"weights '{file}' are a {type(state).__name__}, not a state_dict")
    own = model.state_dict()
    for name, value in own.items():
        if name not in state:
            raise InputError(f"weights '{file}' do not fit: '{name}' is missing")
        if getattr(state[name], "shape", None) != value.shape:
            shape = tuple(getattr(state[name], "shape", ()))
            raise InputError(f"weights '{file}' do not fit: '{name}' is {shape}, not {tuple(value.shape)}")
    for name in state:
        if name not in own:
            raise InputError(f"weights '{file}' do not fit: the network has no '{name}'")
    model.load_state_dict(state)


def _content(
    kind: str,
    space: SearchSpace[Any],
    arch: Any,
    model: nn.Module,
    inputs: torch.Tensor,
    price: Cost,
    classes: Optional[int],
) -> bytes:
    if kind == ".py":
        return model_file.write(space, arch, model, inputs, price, classes).encode()
    if kind == ".svg":
        return drawing.draw(space, arch, model, [str(price)]).encode()
    if kind == "genotype":
        return (notation(space, arch) + "\n").encode()
    # The batch is free: images come first, of words the sequences come second.
    dimension = 0 if inputs.is_floating_point() else 1
    shapes = ({dimension: torch.export.Dim("batch")},)
    with evaluating(model), _quiet():
        try:
            return (_pt2 if kind == ".pt2" else _onnx)(model, inputs, shapes, space, arch)
        except InputError:
            raise
        except Exception as error:  # a network of the user's own may do what cannot be traced, in many ways
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"this network cannot be written as {kind}: {type(error).__name__}: {reason}") from None


def _pt2(model: nn.Module, inputs: torch.Tensor, shapes: Any, space: SearchSpace[Any], arch: Any) -> bytes:
    program = torch.export.export(model, (inputs,), dynamic_shapes=shapes)
    room = io.BytesIO()
    torch.export.save(program, room, extra_files={"architecture.txt": f"{space.name}\n{space.format(arch)}\n"})
    return room.getvalue()


def _onnx(model: nn.Module, inputs: torch.Tensor, shapes: Any, space: SearchSpace[Any], arch: Any) -> bytes:
    names = {"input_names": ["images" if inputs.is_floating_point() else "words"], "output_names": ["logits"]}
    program: Any = torch.onnx.export(
        model,
        (inputs,),
        dynamo=True,
        dynamic_shapes=shapes,
        verbose=False,
        **names,
    )
    proto = program.model_proto
    proto.producer_name, proto.producer_version = "naslib-gennas", __version__
    for key, value in (("space", space.name), ("architecture", space.format(arch))):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    return bytes(proto.SerializeToString())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporters talk about their own insides."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(before)


def notation(space: SearchSpace[Any], arch: Any) -> str:
    """The architecture as text: for cells with two inputs the genotype that DARTS's training scripts read."""
    genotype = getattr(arch, "genotype", arch)
    if not isinstance(genotype, Genotype):
        return space.format(arch)
    cells = (genotype.normal, genotype.reduce)
    parts = [
        f"{name}={list(cell.edges)}, {name}_concat={list(cell.concat)}"
        for name, cell in zip(("normal", "reduce"), cells)
    ]
    return f"Genotype({', '.join(parts)})"


# ----------------------------------------------------------------------------------------------- at the end of a search


@dataclass(frozen=True)
class Description:
    """What a search says about the architecture that it found.

    Attributes:
        cost: of its network at its published size.
        picture: the file with its picture.
        command: what exports the network.
        settings: its depth and width, where they are not the usual ones.
    """

    cost: Cost
    picture: Path
    command: str
    settings: Mapping[str, Any]

    def lines(self) -> List[str]:
        """As lines for people."""
        sizes = "".join(f"{value} {name}, " for name, value in self.settings.items())
        return [f"Its network: {sizes}{self.cost}", f"Picture: {self.picture}", f"To train it: {self.command}"]


def describe(
    space: SearchSpace[Any],
    arch: Any,
    folder: Path,
    resolution: Optional[int] = None,
    fit: Sequence[Constraint] = (),
) -> Description:
    """Draw an architecture into the folder of a search, and say what its network costs and how to export it.

    The folder keeps at which depth, width and resolution the network is meant: `export` makes that one.

    Args:
        space: a search space, with the depth and width of its networks where these are free.
        arch: one of its architectures.
        folder: of the search.
        resolution: height and width of the images, in pixels; None: as published.
        fit: bounds to fit the width to (see `constraints.fit_width`), as for table 4 of arXiv:2108.01899.

    Raises:
        InputError: the picture cannot be written, the network not be built, or no width meets the bounds.
    """
    if fit:
        space = of_width(space, fit_width(space, arch, fit))
    kept = {"space": space.name, "settings": dict(space.published_settings), "resolution": resolution}
    files.write_output(folder / NETWORK, (files.to_json(kept) + "\n").encode())
    with isolated(0):
        model = build(space, arch, None, resolution)
        price = cost(space, model, resolution)
    picture = folder / "architecture.svg"
    files.write_output(picture, drawing.draw(space, arch, model, [str(price)]).encode())
    command = f"gennas export {shlex.quote(_spelled(space))} {shlex.quote(str(folder))} --to model.py"
    return Description(price, picture, command, space.published_settings)


def _spelled(space: SearchSpace[Any]) -> str:
    """What the command line calls a search space: its name, or FILE.py:NAME for one of the user's own."""
    made = getattr(space, "function", type(space))
    if space.name in spaces.names() or not hasattr(made, "__name__"):
        return space.name
    place = Path(inspect.getsourcefile(made) or "")
    with contextlib.suppress(ValueError):
        place = place.relative_to(Path.cwd())
    # A lambda has no name of its own; the space's is what its file calls it, as far as one can tell.
    return f"{place}:{made.__name__ if made.__name__.isidentifier() else space.name}"
