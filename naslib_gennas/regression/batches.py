"""Input batches: the few unlabelled images that a network sees (section 3.2 of arXiv:2108.01899)."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Callable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch
import torch.nn.functional as F

from naslib_gennas import pickles, reading
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.regression import generated

#: The batches that this package makes; "photos:3" is that of seed 3.
MADE = ("photos", *generated.KINDS)
FORMS = (*MADE, "cifar:FOLDER", "FILE.npy")
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm")

CIFAR_MEAN = (125.3 / 255, 123.0 / 255, 113.9 / 255)
CIFAR_STD = (63.0 / 255, 62.1 / 255, 66.7 / 255)

# The natural colour photographs that every scikit-image carries, and the sides of the crops taken from them.
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
CROPS = (96, 128, 160, 192, 256)


#: One tensor, or a tuple or mapping of them, as a network takes them.
Tensors = Union[torch.Tensor, Tuple[torch.Tensor, ...], Mapping[str, torch.Tensor]]


@dataclass(frozen=True, eq=False)
class Batch:
    """What networks are scored on; make one with `get`, `synthetic` or `given`.

    Attributes:
        name: as `--inputs` calls it, or "synthetic", or "given".
        identity: stands for it in a score's identity: its name and, for files, a digest of the numbers in it.
        tensors: float32 (images, 3, height, width); (sequences, 0) where the proxy task makes the sequences itself; or
            what a network of the user's own takes.
    """

    name: str
    identity: str
    tensors: Tensors

    def __len__(self) -> int:
        return len(next(_each(self.tensors)))

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return next(_each(self.tensors)).device

    @property
    def tensor(self) -> torch.Tensor:
        """The one tensor that it is.

        Raises:
            InputError: it has several, which only some proxies can use.
        """
        if not isinstance(self.tensors, torch.Tensor):
            raise InputError("the proxy takes one tensor as its input, not several; gennas proxies take several")
        return self.tensors

    def of_dtype(self, dtype: Optional[torch.dtype]) -> Tensors:
        """What networks of a dtype take: its floating-point tensors in that dtype; None: as they are."""
        return _changed(self.tensors, lambda one: one.to(dtype) if dtype and one.is_floating_point() else one)

    def to(self, device: Union[str, torch.device]) -> Batch:
        """A copy of the batch on a device."""
        return Batch(self.name, self.identity, _changed(self.tensors, lambda tensor: tensor.to(device, copy=True)))

    def at(self, count: int, resolution: int) -> Batch:
        """A batch of another size from the same source, on the same device.

        Raises:
            InputError: there is no source to take more from.
        """
        if self.name == GIVEN:
            raise InputError("a batch of tensors has one size; give the name of an input batch, such as photos")
        made = synthetic(count) if self.name == SYNTHETIC else get(self.name, count, resolution)
        return made.to(self.device)


#: The name of the batch of networks whose input the proxy task makes, and of one that the caller gives.
SYNTHETIC, GIVEN = "synthetic", "given"


def get(name: str = "photos", count: int = 16, resolution: int = 32) -> Batch:
    """The batch of `count` images of a name, with its identity; see `load`."""
    names = each(name)
    tensors = load(names[0] if names else name, count, resolution)
    form, _, rest = name.partition(":")
    if names or (form in ("photos", "noise") and rest != "0"):
        return Batch(name, name, tensors)
    if form in ("photos", "noise"):
        return Batch(name, form, tensors)
    # What was generated counts by its numbers, and so by the code that drew them.
    return Batch(name, f"{form if form in (*MADE, 'cifar') else 'npy'}:{_digest(tensors)}", tensors)


#: Joins the names of several batches, one for each part of an aggregate: "noise&photos".
EACH = "&"


def each(name: str) -> List[str]:
    """The names that were joined by `EACH`; empty for any other name."""
    names = name.split(EACH)
    return names if len(names) > 1 and all(part.partition(":")[0] in MADE for part in names) else []


def classes(name: str, count: int) -> Optional[Tuple[int, ...]]:
    """The class that each image of a batch really has; None: nothing is known of it.

    The photograph that a crop is from, and the class of an image of "gaussian-classes".
    """
    kinds = {"photos": len(PHOTOS), "gaussian-classes": generated.CLASSES}.get(name.partition(":")[0])
    return None if kinds is None else tuple(index % kinds for index in range(count))


def synthetic(count: int) -> Batch:
    """The batch of recurrent networks: only the number of sequences is asked for, the proxy task makes them."""
    return Batch(SYNTHETIC, SYNTHETIC, torch.empty(count, 0))


def of_shape(shape: Sequence[int], name: str = "photos", count: int = 16) -> Batch:
    """The batch of inputs of any shape: (channels, height, width) from the images of a name; noise in one dimension,
    (channels, length), and in three."""
    sides = "x".join(map(str, shape))
    if len(shape) != 3:
        draws = np.random.default_rng(0).standard_normal((count, *shape), dtype=np.float32)
        return Batch("noise", f"noise {sides}", torch.from_numpy(draws))
    channels, height, width = shape
    batch = get(name, count, max(8, height, width))
    images = batch.tensor
    if channels == 3 and tuple(images.shape[2:]) == (height, width):
        return batch
    if tuple(images.shape[2:]) != (height, width):
        images = F.interpolate(images, (height, width), mode="area")
    if channels == 1:
        images = images.mean(1, keepdim=True)
        images = (images - images.mean()) / images.std().clamp_min(1e-6)
    elif channels != 3:
        images = images[:, [channel % 3 for channel in range(channels)]]
    return Batch(name, f"{batch.identity} {sides}", images)


def given(tensors: Tensors) -> Batch:
    """A batch of the caller's own."""
    return Batch(GIVEN, f"{GIVEN}:{_digest(tensors)}", tensors)


def _each(tensors: Tensors) -> Iterator[torch.Tensor]:
    if isinstance(tensors, torch.Tensor):
        yield tensors
    else:
        yield from tensors.values() if isinstance(tensors, Mapping) else tensors


def _changed(tensors: Tensors, change: Callable[[torch.Tensor], torch.Tensor]) -> Tensors:
    if isinstance(tensors, torch.Tensor):
        return change(tensors)
    if isinstance(tensors, Mapping):
        return {name: change(tensor) for name, tensor in tensors.items()}
    return tuple(change(tensor) for tensor in tensors)


def _digest(tensors: Tensors) -> str:
    found = hashlib.sha256()
    names = list(tensors) if isinstance(tensors, Mapping) else []
    for tensor in _each(tensors):
        numbers = tensor.detach().cpu().contiguous()
        found.update(f"{names} {tuple(numbers.shape)} {numbers.dtype}".encode())
        found.update(numbers.view(torch.uint8).numpy().tobytes() if numbers.dim() else numbers.numpy().tobytes())
    return found.hexdigest()[:12]


def load(name: str = "photos", images: int = 16, resolution: int = 32) -> torch.Tensor:
    """The input batch of a name: float32 (images, 3, resolution, resolution), each channel about N(0, 1), on the CPU.

    The same name, number and resolution always give the same batch; fewer images are the first of more.

    Args:
        name: "photos" (crops of natural photographs, nothing to download); "noise", "dead-leaves", "fractals" or
            "gaussian-classes" (see `generated`); any of these with a seed, as in "photos:3", for other images;
            "cifar:FOLDER" (the python batches of CIFAR-10 or CIFAR-100, or a folder of images); or a .npy file with
            (at least `images`, 3, height, width) normalised numbers.
        images: number of images.
        resolution: height and width in pixels.

    Raises:
        InputError: an unknown name, or a folder or file without what it should hold.
    """
    return _load(name, images, resolution, _stamp(name, images)).clone()


Stamp = Tuple[Tuple[str, int, int], ...]


def _stamp(name: str, images: int) -> Stamp:
    """Name, time and size of the files behind a name: what is kept in memory is not that of a file that changed."""
    form, _, folder = name.partition(":")
    if form == "cifar" and reading.is_folder(folder):
        found = cifar_file(Path(folder))
        paths = [found] if found is not None else _image_files(Path(folder), images)
    else:
        paths = [Path(name)] if name.endswith(".npy") else []
    stamps = []
    for path in paths:
        with contextlib.suppress(OSError, ValueError):  # who reads it says what is wrong with it
            about = path.stat()
            stamps.append((str(path), about.st_mtime_ns, about.st_size))
    return tuple(stamps)


@lru_cache(maxsize=8)
def _load(name: str, images: int, resolution: int, stamp: Stamp) -> torch.Tensor:
    form, _, folder = name.partition(":")
    if form == "cifar" and folder:
        return _folder(Path(folder), images, resolution)
    if name.endswith(".npy"):
        return _array(Path(name), images, resolution)
    if form not in MADE:
        raise InputError(f"unknown input batch '{name}'{suggest(name, FORMS)}")
    seed = _seed(name)
    return _photos(images, resolution, seed) if form == "photos" else generated.images(form, images, resolution, seed)


def _seed(name: str) -> int:
    """The seed that a name ends with; 0 where it has none."""
    form, colon, seed = name.partition(":")
    if not colon:
        return 0
    if not (seed.isascii() and seed.isdigit()) or len(seed) > 18:
        raise InputError(f"input batch '{name}': the seed after '{form}:' is a whole number from 0 up, as in {form}:3")
    return int(seed)


def _photos(images: int, resolution: int, seed: int) -> torch.Tensor:
    from skimage import data  # imported when used: it takes a while

    photos = [np.asarray(getattr(data, photo)()) for photo in PHOTOS]
    crops = []
    for index in range(images):
        draw = np.random.default_rng([16, index, seed] if seed else [16, index])
        photo = photos[index % len(photos)]
        side = int(draw.choice(CROPS))
        top, left = (int(draw.integers(0, extent - side + 1)) for extent in photo.shape[:2])
        crops.append(photo[top : top + side, left : left + side])
    return _standardised(_stack(crops, resolution), torch.from_numpy(_photo_statistics()))


@lru_cache(maxsize=1)
def _photo_statistics() -> np.ndarray:
    """Mean and standard deviation of each channel over the whole photographs: (2, 3), in [0, 1]."""
    from skimage import data

    pixels = np.concatenate([np.asarray(getattr(data, photo)()).reshape(-1, 3) for photo in PHOTOS]) / 255
    return np.stack([pixels.mean(0), pixels.std(0)]).astype(np.float32)


def _folder(folder: Path, images: int, resolution: int) -> torch.Tensor:
    if not reading.is_folder(folder):
        raise InputError(
            f"input batch 'cifar:{str(folder)[:200]}': no such folder; it takes CIFAR's python batches or images"
        )
    file = cifar_file(folder)
    if file is not None:
        pixels = pickles.load(file, encoding="latin1")
        try:
            arrays = np.asarray(pixels["data"], dtype=np.uint8)[:images].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        except (KeyError, TypeError, ValueError, IndexError):
            raise InputError(f"input batch file '{file}' is not a CIFAR python batch: no 'data' rows") from None
        loaded = list(arrays)
    else:
        loaded = _read_images(folder, images)
    if len(loaded) < images:
        raise InputError(f"input batch 'cifar:{folder}' has {len(loaded)} images; {images} are needed")
    return _standardised(_stack(loaded, resolution), torch.tensor([CIFAR_MEAN, CIFAR_STD]))


def cifar_file(folder: Path) -> Optional[Path]:
    """The python batch of CIFAR-10 or CIFAR-100 in a folder, if there is one."""
    inner = [folder, *(folder / name for name in ("cifar-10-batches-py", "cifar-100-python"))]
    found = (path / name for path in inner for name in ("data_batch_1", "train") if (path / name).is_file())
    return next(found, None)


def _image_files(folder: Path, images: int) -> List[Path]:
    return list(itertools.islice(reading.files(folder, IMAGE_ENDINGS, f"input batch 'cifar:{folder}'"), images))


def _read_images(folder: Path, images: int) -> List[np.ndarray]:
    from skimage import color, io

    loaded = []
    for path in _image_files(folder, images):
        try:
            pixels = np.asarray(io.imread(path))
        except Exception as error:  # every image format has errors of its own
            raise InputError(f"image '{path}' cannot be read: {error}") from None
        if pixels.ndim == 2:
            pixels = color.gray2rgb(pixels)
        if pixels.ndim != 3 or pixels.shape[-1] not in (3, 4) or pixels.dtype != np.uint8:
            raise InputError(f"image '{path}' is not an 8-bit colour or grey image")
        side = min(pixels.shape[:2])
        top, left = ((extent - side) // 2 for extent in pixels.shape[:2])
        loaded.append(pixels[top : top + side, left : left + side, :3])
    return loaded


def _array(path: Path, images: int, resolution: int) -> torch.Tensor:
    array = reading.array(path, "input batch file")
    if array.ndim != 4 or array.shape[1] != 3 or array.shape[0] < images or not 0 < array.shape[2] == array.shape[3]:
        raise InputError(
            f"input batch file '{path}' has shape {array.shape}; it takes (at least {images}, 3, height, height)"
        )
    with np.errstate(over="ignore"):  # too large for float32: refused next
        batch = torch.from_numpy(array[:images].astype(np.float32))
    if not bool(torch.isfinite(batch).all()):
        raise InputError(f"input batch file '{path}' holds numbers that are not finite")
    return _resized(batch, resolution)


def _stack(pixels: List[np.ndarray], resolution: int) -> torch.Tensor:
    """Square 8-bit images of any size as one float batch in [0, 1]."""
    maps = [torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255 for image in pixels]
    return torch.cat([_resized(image, resolution) for image in maps]) if maps else torch.empty(0, 3, 1, 1)


def _resized(batch: torch.Tensor, resolution: int) -> torch.Tensor:
    if batch.shape[-1] == resolution:
        return batch
    if batch.shape[-1] > resolution:
        return F.interpolate(batch, (resolution, resolution), mode="area")
    return F.interpolate(batch, (resolution, resolution), mode="bilinear", align_corners=False)


def _standardised(batch: torch.Tensor, statistics: torch.Tensor) -> torch.Tensor:
    mean, std = statistics[0].view(1, 3, 1, 1), statistics[1].view(1, 3, 1, 1)
    return (batch - mean) / std
