"""Input batches are fixed, normalised, and read without more than numpy and scikit-image."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from skimage import io

from naslib_gennas.errors import InputError
from naslib_gennas.regression import batches


@pytest.mark.parametrize("name", ["photos", "noise"])
def test_a_name_always_gives_the_same_normalised_batch(name):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    batch = batches.load(name, 16, 32)
    assert batch.shape == (16, 3, 32, 32) and batch.dtype == torch.float32
    assert 0.5 < float(batch.std()) < 1.5 and abs(float(batch.mean())) < 0.5
    assert not torch.equal(batch[0], batch[1])
    batches._load.cache_clear()
    assert torch.equal(batch, batches.load(name, 16, 32))
    assert torch.equal(torch.get_rng_state(), torch_state) and (np.random.get_state()[1] == numpy_state).all()
    batch.zero_()
    assert float(batches.load(name, 16, 32).abs().sum()) > 0


def test_fewer_photos_are_the_first_of_more_and_any_resolution_shows_the_same():
    assert torch.equal(batches.load("photos", 4, 32), batches.load("photos", 16, 32)[:4])
    small, large = batches.load("photos", 4, 16), batches.load("photos", 4, 32)
    assert float((torch.nn.functional.avg_pool2d(large, 2) - small).abs().mean()) < 0.15


@pytest.mark.parametrize(("file", "inner"), [("data_batch_1", "cifar-10-batches-py"), ("train", "cifar-100-python")])
def test_cifars_python_batches(tmp_path, file, inner):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3072), dtype=np.uint8)
    (tmp_path / inner).mkdir()
    (tmp_path / inner / file).write_bytes(pickle.dumps({b"data": pixels, "data": pixels}, protocol=2))
    batch = batches.load(f"cifar:{tmp_path}", 16, 32)
    expected = (pixels[3].reshape(3, 32, 32)[1] / 255 - batches.CIFAR_MEAN[1]) / batches.CIFAR_STD[1]
    assert np.allclose(batch[3, 1].numpy(), expected, atol=1e-5)


def test_a_folder_of_pictures_and_an_array_of_ones_own(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(3):
        io.imsave(
            str(tmp_path / f"{index}.png"), rng.integers(0, 256, (40, 50, 3), dtype=np.uint8), check_contrast=False
        )
    assert batches.load(f"cifar:{tmp_path}", 3, 32).shape == (3, 3, 32, 32)
    np.save(tmp_path / "mine.npy", rng.normal(size=(5, 3, 32, 32)).astype(np.float32))
    batch = batches.load(str(tmp_path / "mine.npy"), 4, 32)
    assert np.array_equal(batch.numpy(), np.load(tmp_path / "mine.npy")[:4])


def test_the_identity_of_a_batch_is_its_content(tmp_path):
    first, second, third = (tmp_path / f"{name}.npy" for name in "abc")
    batch = np.random.default_rng(0).normal(size=(16, 3, 32, 32)).astype(np.float32)
    for path, content in ((first, batch), (second, batch), (third, batch + 1)):
        np.save(path, content)
    assert batches.get(str(first)).identity == batches.get(str(second)).identity != batches.get(str(third)).identity
    assert batches.get("photos").identity == "photos"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("photo", "did you mean 'photos'"),
        ("cifar:absent", "no such folder"),
        ("absent.npy", "cannot be read"),
    ],
)
def test_what_is_not_there_is_said(name, message):
    with pytest.raises(InputError, match=message):
        batches.load(name)


def test_too_few_images_or_a_wrong_array_are_said(tmp_path):
    with pytest.raises(InputError, match="has 0 images; 16 are needed"):
        batches.load(f"cifar:{tmp_path}", 16, 32)
    np.save(tmp_path / "flat.npy", np.zeros((16, 32, 32)))
    with pytest.raises(InputError, match="shape"):
        batches.load(str(tmp_path / "flat.npy"))
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps([1]))
    with pytest.raises(InputError, match="not a CIFAR python batch"):
        batches.load(f"cifar:{tmp_path}", 16, 32)
