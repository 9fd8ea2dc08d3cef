"""Score a network of the user's own: any torch module that takes images, volumes, sequences or tokens."""

from __future__ import annotations

import inspect
import math
import warnings
from dataclasses import dataclass
from typing import Any, Callable, List, Mapping, Optional, Sequence, Tuple, Union

import torch
from torch import nn

from naslib_gennas import proxies
from naslib_gennas.errors import InputError, said_by
from naslib_gennas.networks import calls, named, sources
from naslib_gennas.networks.initialise import initialise as draw_weights
from naslib_gennas.networks.named import StageName
from naslib_gennas.networks.tapped import Tap, TapMissing
from naslib_gennas.proxies.measure import conditions, measure
from naslib_gennas.proxies.proxy import Proxy, Score
from naslib_gennas.randomness import derive, isolated
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.scoring.devices import check_device
from naslib_gennas.scoring.examination import WARN, Examination, examine, fresh, staged

#: A network, something that makes one, or where one comes from: ``timm:resnet50``, ``FILE.py:function``, ...
Network = Union[nn.Module, Callable[[], nn.Module], str]
ProfileLike = Union[str, Mapping[str, Any], Profile, None]

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Description:
    """What would be scored of a network, and what that costs.

    Attributes:
        stages: where each ends: the call, and its map's size.
        inputs: what it would be scored on.
        parameters: of the whole network.
        flops: multiply-additions of one example, up to the last stage.
        reached: the share of the backbone's parameters that the score depends on.
        head: modules that take no part, such as the classifier.
        head_share: the part of all parameters in them.
        notes: what was assumed or left out.
        resolution: of images whose size is free; None for any other input.
        seconds: an estimate of what the scoring takes on one core, rough; None where the proxy does not train.
    """

    stages: Tuple[Tap, ...]
    inputs: str
    parameters: int
    flops: float
    reached: float
    head: Tuple[str, ...]
    head_share: float
    notes: Tuple[str, ...]
    seconds: Optional[float]
    resolution: Optional[int] = None

    def __str__(self) -> str:
        lines = [f"inputs: {self.inputs}"]
        lines += [f"stage {index}: {stage}" for index, stage in enumerate(self.stages, 1)]
        head = f"; without {', '.join(self.head)} ({self.head_share:.0%} of all)" if self.head else ""
        lines.append(f"reached: {self.reached:.0%} of the backbone's parameters{head}")
        seconds = "" if self.seconds is None else f", about {self.seconds:.0f} s on one core"
        lines.append(f"cost: {self.parameters / 1e6:.2f} M parameters, {self.flops / 1e6:.1f} M FLOPs{seconds}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


@dataclass(frozen=True)
class NetworkScore:
    """The score of a network (see `proxies.Score`) and what it was measured on.

    Attributes:
        stages: the feature maps that it was measured on.
        reached: the share of the backbone's parameters (all but those of the head) that the stages reach.
        inputs: the input batch in words.
        notes: what was assumed or left out, a sentence each.
    """

    score: float
    status: str
    reason: str
    stages: Tuple[Tap, ...]
    details: Mapping[str, Any]
    reached: float = 1.0
    inputs: str = ""
    notes: Tuple[str, ...] = ()

    def __str__(self) -> str:
        tapped = ", ".join(map(str, self.stages)) or "no stage"
        told = [f"{self.score:.4f} ({self.status}{', ' * bool(self.reason)}{self.reason}) on {tapped}"]
        told.append(f"{self.reached:.0%} of the backbone's parameters reached")
        return "; ".join([*told, *self.notes])


def score_network(
    module: Network,
    stages: Optional[Sequence[StageName]] = None,
    *,
    count: int = 3,
    proxy: Union[str, Proxy] = proxies.USUAL,
    inputs: Any = None,
    seed: int = 0,
    profile: ProfileLike = None,
    resolution: Optional[int] = None,
    initialise: str = "as is",
    device: Union[str, torch.device] = "cpu",
) -> NetworkScore:
    """Score any torch module without labels.

    A copy is trained; the module, its mode, its device, its layout and every random generator stay as they were. Scores
    compare among networks that were scored with the same settings and number of stages, and whose weights were drawn in
    the same way. The score has been shown to rank networks of one family; across families, say a ResNet and a vision
    transformer, it is no better than the number of parameters.

    >>> result = score_network(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, 2)), profile="fast")
    >>> [str(stage) for stage in result.stages]
    ['1: 8x14x14', '2: 8x6x6']

    Args:
        module: it is called with the input alone. Or a function without arguments that makes one, or the name of one:
            ``timm:resnet50``, ``torchvision:resnet50``, ``hf:CONFIG``, ``FILE.py:function``.
        stages: names of submodules (as `module.named_modules` has them) whose outputs are the stage feature maps, early
            ones first; of a module that is called several times ``name#2`` is the second call. None: found.
        count: how many stages to find at most.
        proxy: a proxy or its name.
        inputs: the input batch: a name (see `batches.load`), a .npy file, a tensor or a tuple or dict of tensors (used
            as given; integers get no noise), a function that makes such a batch, or a shape: (channels, height, width),
            (channels, length), (channels, depth, height, width). None: the proxy's own images, or what the network's
            first layer takes.
        seed: the same seed gives the same score.
        profile: cost of the scoring (see `profiles.get`): its image batch, resolution and steps; the size of the
            network is its own. None: `paper` for gennas proxies, else the proxy's own.
        resolution: height and width of the images. None: the profile's, raised where the network cannot take it or its
            last stage would be a single pixel; the result says so.
        initialise: how to draw the weights before (see `networks.initialise`): "as is", "default", "kaiming", "xavier",
            "zero bias".
        device: where to train.

    Raises:
        InputError: the network cannot be scored so; the message says what is the matter, and what would be right.
    """
    chosen, size, place = _settings(proxy, profile, resolution, count, seed, device, inputs)
    with conditions(), isolated(derive(seed, "network")):
        own = _module(module)
        named.check(own, stages)
        make = _maker(own, initialise, seed)
        skipped: List[Tap] = []
        for _ in range(20):
            found = examine(make, chosen, inputs, stages, count, size, place, skipped)
            try:
                result = _measured(make, found, chosen, seed, place)
                break
            except TapMissing as missing:
                if stages is not None:
                    raise InputError(f"stage '{missing.tap.place}' is skipped in training at times") from None
                skipped.append(missing.tap)
        else:
            raise InputError("every stage of the network is skipped in training at times; name one that is not")
    if found.reached < WARN and not found.broken:
        warnings.warn(found.notes[-1], RuntimeWarning, stacklevel=2)
    return NetworkScore(
        result.value,
        result.status,
        result.reason,
        found.stages,
        result.details,
        found.reached,
        found.inputs,
        tuple(found.notes),
    )


def describe_network(
    module: Network,
    stages: Optional[Sequence[StageName]] = None,
    *,
    count: int = 3,
    proxy: Union[str, Proxy] = proxies.USUAL,
    inputs: Any = None,
    profile: ProfileLike = None,
    resolution: Optional[int] = None,
) -> Description:
    """What `score_network` would score of a network, and what that costs; nothing is trained. See there.

    Raises:
        InputError: the network cannot be scored.
    """
    chosen, size, place = _settings(proxy, profile, resolution, count, 0, "cpu", inputs)
    with conditions(), isolated(derive(0, "network")):
        own = _module(module)
        named.check(own, stages)
        found = examine(_maker(own, "as is", 0), chosen, inputs, stages, count, size, place)
    seconds = None if chosen.passes is None else found.step_seconds * chosen.passes
    head, names = found.head
    return Description(
        found.stages,
        found.inputs,
        found.parameters,
        found.flops,
        found.reached,
        names,
        head,
        tuple([*found.notes, *([found.broken] if found.broken else [])]),
        seconds,
        found.resolution,
    )


def _settings(
    proxy: Any, profile: Any, resolution: Any, count: Any, seed: Any, device: Any, inputs: Any
) -> Tuple[Proxy, Optional[int], torch.device]:
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        if type(value) is not int or value < least or value >= 2**63:
            raise InputError(f"{name} is {value!r}; it takes a whole number from {least} up")
    if resolution is not None and (type(resolution) is not int or not 8 <= resolution <= 2048):
        raise InputError(f"resolution is {resolution!r}; it takes a whole number from 8 to 2048")
    if resolution is not None and inputs is not None and not isinstance(inputs, str):
        raise InputError("resolution goes with images made here; inputs of your own have a size")
    place = check_device(device)
    # `fast` is made for the shrunken networks of search spaces: in a deep network running averages lag too far behind.
    usual = "paper" if isinstance(proxy, str) and proxy.startswith("gennas-") else None
    chosen = proxies.get(proxy, usual if profile is None else profile)
    if "cnn" not in chosen.kinds:
        raise InputError(f"proxy '{chosen.name}' does not score networks that take images")
    stated = isinstance(profile, Mapping) and "resolution" in profile
    stated = stated or isinstance(profile, Profile) and profile.resolution != Profile().resolution
    return chosen, chosen.profile.resolution if stated and resolution is None else resolution, place


def _module(module: Any) -> nn.Module:
    """The module that is meant, or one line that says why it cannot be scored."""
    if isinstance(module, str):
        module = sources.load(module)
    if type(module).__name__ == "ExportedProgram" or hasattr(module, "range_constraints"):
        raise InputError("an exported program is tied to how it was exported; give the module that it was made from")
    if isinstance(module, type):
        raise InputError(f"{module.__name__} is a class; give an instance of it: {module.__name__}(...)")
    if not isinstance(module, nn.Module) and callable(module):
        module = _called(module)
    if not isinstance(module, nn.Module):
        raise InputError(f"a {type(module).__name__} was given; it takes a torch module (nn.Module)")
    wrapped = getattr(module, "_orig_mod", None)
    while isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)) or wrapped is not None:
        module = wrapped if wrapped is not None else module.module
        wrapped = getattr(module, "_orig_mod", None)
    if isinstance(module, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
        raise InputError("a TorchScript module cannot be looked into; give the module that it was made from")
    if type(module).__module__.startswith("torchvision.models.detection") and hasattr(module, "backbone"):
        raise InputError(
            f"a {type(module).__name__} wants targets in training and resizes its images itself; score its backbone: "
            "score_network(module.backbone)"
        )
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            raise InputError(f"'{name}' is TorchScript and cannot be looked into; give the module it was made from")
        if ".quantized" in type(part).__module__:
            raise InputError(f"'{name}' is quantised and cannot be trained; give the network before quantisation")
    tensors = [*module.named_parameters(), *module.named_buffers()]
    if any(isinstance(tensor, nn.parameter.UninitializedTensorMixin) for _, tensor in tensors):
        raise InputError("the network has lazy modules, which have no weights yet; call it once on a batch first")
    for name, tensor in tensors:
        if tensor.is_meta:
            raise InputError(
                f"'{name}' is on the meta device and has no values; use module.to_empty(device='cpu') and "
                "initialise it, or make it without torch.device('meta')"
            )
        if tensor.is_complex():
            raise InputError(
                f"'{name}' holds complex numbers, which cannot be scored; keep real and imaginary part in "
                "two real parameters (torch.view_as_real)"
            )
        if tensor.is_quantized or tensor.is_floating_point() and tensor.dtype not in _FLOATS:
            raise InputError(f"'{name}' is of {tensor.dtype}; it takes float32, float64, float16 or bfloat16")
    if not any(True for _ in module.parameters()):
        raise InputError("the network has no parameters, so there is nothing to train and nothing to score")
    return module


def _called(function: Any) -> Any:
    name = getattr(function, "__name__", type(function).__name__)
    try:
        needed = [
            parameter.name
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
    except (TypeError, ValueError):
        needed = ["..."]
    if needed:
        raise InputError(
            f"'{name}' is a function of {', '.join(needed)}; it takes a torch module, whose parameters can be trained: "
            "put the function into the forward of an nn.Module, its weights as nn.Parameter"
        )
    return sources.made(function, name)


def _maker(module: nn.Module, way: str, seed: int) -> Callable[[], nn.Module]:
    """Gives fresh copies of a module, all with the same weights."""

    def copied(source: nn.Module) -> nn.Module:
        try:
            copy = fresh(source)
        except Exception as error:  # whatever a module's parts refuse
            line = " ".join(str(error).split())[:200]
            raise InputError(f"the network cannot be copied, which scoring needs ({line})") from None
        return _without_sync(copy)

    start = copied(module)
    draw_weights(start, way, derive(seed, "weights"))
    return lambda: copied(start)


def _without_sync(module: nn.Module) -> nn.Module:
    """SyncBatchNorm is BatchNorm in one process, but refuses to work on a CPU."""
    for name, child in list(module.named_modules()):
        if isinstance(child, nn.SyncBatchNorm):
            plain = nn.BatchNorm2d(
                child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats
            )
            plain.load_state_dict(child.state_dict())
            plain._check_input_dim = lambda _: None  # of any number of dimensions
            plain.train(child.training)
            if not name:
                return plain
            module.set_submodule(name, plain)
    return module


def _measured(
    make: Callable[[], nn.Module], found: Examination, proxy: Proxy, seed: int, device: torch.device
) -> Score:
    """The proxy's score; one that fails for numbers that are not finite has diverged."""
    if found.broken:
        return Score(-math.inf, "diverged", found.broken)
    network = make().requires_grad_(True)
    tapped = staged(network, found.stages, found.batch_axis, found.shielded, found.reachable)
    try:
        return measure(proxy, tapped, found.batch, seed, device)
    except (InputError, TapMissing):
        raise
    except NotImplementedError as error:
        if "class scores" not in str(error):
            raise InputError(f"proxy '{proxy.name}' cannot score this network: {said_by(error)}") from None
        raise InputError(
            f"proxy '{proxy.name}' needs class scores (images, classes), which the network does not give; gennas "
            "proxies, zen, meco, naswot and swap need none"
        ) from None
    except torch.linalg.LinAlgError as error:
        return Score(-math.inf, "diverged", f"the measure has numbers that are not finite: {said_by(error)}")
    except Exception as error:  # whatever the proxy or the network raises
        hint = ""
        if any(not tensor.is_floating_point() for tensor in calls.each(found.batch.tensors)):
            hint = "; its input holds whole numbers, which not every proxy can change: gennas proxies take them"
        raise InputError(f"proxy '{proxy.name}' cannot score this network: {said_by(error)}{hint}") from None
