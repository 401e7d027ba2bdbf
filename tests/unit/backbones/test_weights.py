"""Files of weights: where they are looked for, how they are fetched and read, and what is refused."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from reproducible.backbones.bvlc import BVLCGoogLeNet, _caffe_name
from reproducible.backbones.weights import Source, chosen, fitted, read_tensors
from reproducible.config import Component, RunConfig, digest
from reproducible.resources import UserError
from reproducible.training.runner import weights_hash

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.tensor([1.0, -1.0])}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Folder of further data, and that of weights in the cache."""
    data, cache = tmp_path / "data", tmp_path / "cache"
    data.mkdir()
    (cache / "weights").mkdir(parents=True)
    monkeypatch.setenv("REPRODUCIBLE_DATA", str(data))
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(cache))
    return data, cache / "weights"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server of one file, ``net-0.pth``."""
    served = tmp_path / "served"
    served.mkdir()
    torch.save(TENSORS, served / "net-0.pth")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/net-0.pth"
    server.shutdown()
    server.server_close()


def test_a_file_is_found_by_path_in_the_data_and_in_the_cache(folders: tuple[Path, Path], tmp_path: Path) -> None:
    data, cache = folders
    (data / "in_data.npz").touch()
    (cache / "in_cache.npz").touch()
    (tmp_path / "anywhere.npz").touch()
    assert chosen("in_data.npz") == data / "in_data.npz"
    assert chosen("in_cache.npz") == cache / "in_cache.npz"
    assert chosen(str(tmp_path / "anywhere.npz")) == tmp_path / "anywhere.npz"
    (cache / "in_data.npz").touch()
    assert chosen("in_data.npz") == data / "in_data.npz"
    with pytest.raises(UserError, match=rf"'nowhere.npz': no such file; looked there and in {data}, {cache}"):
        chosen("nowhere.npz")


def test_download_is_checked_and_kept(folders: tuple[Path, Path], address: str, tmp_path: Path) -> None:
    sha = hashlib.sha256((tmp_path / "served" / "net-0.pth").read_bytes()).hexdigest()
    found = chosen(f"{address}#sha256={sha[:10]}")
    assert found == folders[1] / "net-0.pth"
    assert [path.name for path in folders[1].iterdir()] == ["net-0.pth"]
    assert torch.equal(read_tensors(found)["a.weight"], TENSORS["a.weight"])
    (tmp_path / "served" / "net-0.pth").unlink()
    assert chosen(f"{address}#sha256={sha}") == found  # no network needed any more
    found.write_bytes(b"something else")
    with pytest.raises(UserError, match=r"net-0.pth: wrong checksum. SHA-256 expected"):
        chosen(f"{address}#sha256={sha}")


def test_download_with_another_hash_is_not_kept(folders: tuple[Path, Path], address: str) -> None:
    with pytest.raises(UserError, match=r"wrong checksum. SHA-256 expected 00000000\.\.\., found [0-9a-f]{64}"):
        chosen(f"{address}#sha256=00000000")
    assert not list(folders[1].iterdir())


def test_page_in_the_place_of_weights_is_not_kept(folders: tuple[Path, Path], address: str, tmp_path: Path) -> None:
    """Where no hash is known, what cannot be read as weights is none."""
    (tmp_path / "served" / "net-0.pth").write_text("<html>Please log in</html>")
    with pytest.raises(UserError, match=rf"net-0\.pth: damaged, or .* From {address}; it is not kept\."):
        Source("net-0.pth", address).path()
    assert not list(folders[1].iterdir())
    torch.save(TENSORS, tmp_path / "served" / "net-0.pth")
    assert Source("net-0.pth", address).path() == folders[1] / "net-0.pth"


def test_offline_says_what_to_put_where(folders: tuple[Path, Path]) -> None:
    source = Source("net.pth", "http://127.0.0.1:9/net.pth", "0" * 8)  # nobody listens there
    with pytest.raises(UserError) as error:
        source.path()
    for word in ("net.pth", source.url, str(folders[0] / "net.pth"), str(folders[1] / "net.pth"), "cannot be downl"):
        assert word in str(error.value)


def test_an_address_needs_its_hash() -> None:
    with pytest.raises(UserError, match=r"an address needs its hash: https://a\.b/c\.pth#sha256=DIGITS"):
        chosen("https://a.b/c.pth")


def test_every_kind_of_file_gives_the_same_tensors(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", **{name: tensor.numpy() for name, tensor in TENSORS.items()})
    save_file(TENSORS, tmp_path / "t.safetensors")
    torch.save(TENSORS, tmp_path / "t.pth")
    torch.save({"state_dict": TENSORS, "epoch": 3}, tmp_path / "t.pt")
    for suffix in ("npz", "safetensors", "pth", "pt"):
        found = read_tensors(tmp_path / f"t.{suffix}")
        assert set(found) == set(TENSORS)
        assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())


def test_damaged_and_unknown_files_are_named(tmp_path: Path) -> None:
    for suffix in ("npz", "safetensors", "pth", "caffemodel"):
        path = tmp_path / f"broken.{suffix}"
        path.write_bytes(b"\xffnonsense")
        with pytest.raises(UserError, match=rf"broken.{suffix}: "):
            read_tensors(path)
    (tmp_path / "net.onnx").touch()
    with pytest.raises(UserError, match=r"net.onnx: weights cannot be read from this kind of file.*\.safetensors"):
        read_tensors(tmp_path / "net.onnx")
    with pytest.raises(UserError, match=r"missing.npz: no such file"):
        read_tensors(tmp_path / "missing.npz")


class _Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('executed')",))


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    torch.save({"a": _Code()}, tmp_path / "code.pth")
    np.savez(tmp_path / "code.npz", a=np.array([{"a": 1}], dtype=object))
    for name in ("code.pth", "code.npz"):
        with pytest.raises(UserError, match=f"{name}: damaged"):
            read_tensors(tmp_path / name)


def test_fitted_names_what_does_not_fit() -> None:
    half = {name: tensor.half() for name, tensor in TENSORS.items()}
    found = fitted(TENSORS, {**half, "fc.weight": torch.zeros(3)}, "f.pth")
    assert list(found) == list(TENSORS) and found["a.bias"].dtype == torch.float32
    with pytest.raises(UserError, match=r"f.pth: has no tensor 'a.bias' of shape \(2,\); it has 'a.weight'\."):
        fitted(TENSORS, {"a.weight": TENSORS["a.weight"]}, "f.pth")
    with pytest.raises(UserError, match=r"tensor 'a.bias' should have shape \(2,\), found \(3,\)"):
        fitted(TENSORS, {**TENSORS, "a.bias": torch.zeros(3)}, "f.pth")
    others = {f"layer.{i}": torch.zeros(1) for i in range(5)}
    with pytest.raises(UserError, match=r"no tensor 'a.weight' .*'layer.0', 'layer.1', 'layer.2' and 2 more"):
        fitted(TENSORS, others, "f.pth")
    with pytest.raises(
        UserError, match=r"of another network; of its 7 tensors, 5 have no place .*'layer.2' and 2 more"
    ):
        fitted(TENSORS, TENSORS | others, "f.pth")


BESIDE = {name: torch.ones(1) for name in ("fc.weight", "aux1.conv.weight", "head.fc.bias", "a.num_batches_tracked")}


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module.model.backbone."])
def test_prefix_of_a_larger_model_is_taken_off(prefix: str) -> None:
    """What stands beside the network there, such as a head, is left out; a tensor of it that does not fit is not."""
    within = {prefix + name: tensor for name, tensor in (TENSORS | BESIDE).items()}
    found = fitted(TENSORS, within | {"proxies": torch.ones(3)}, "f.pth")
    assert list(found) == list(TENSORS) and all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)
    with pytest.raises(UserError, match=r"1 have no place in this one: 'a.1.weight'"):
        fitted(TENSORS, within | {f"{prefix}a.1.weight": torch.ones(3)}, "f.pth")
    with pytest.raises(UserError, match=f"holds 2 networks, under '{prefix}', 'teacher.'"):
        fitted(TENSORS, within | {f"teacher.{name}": tensor for name, tensor in TENSORS.items()}, "f.pth")


STATE = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}


@pytest.mark.parametrize(
    "content",
    [
        {"model": TENSORS, "optimizer": STATE, "epoch": 3},
        {"state_dict": TENSORS, "model": "resnet18", "epoch": 3},
        {"model_state_dict": TENSORS, "args": {"lr": 0.1}},
        {"anything": TENSORS, "step": torch.nn.Identity().state_dict()},
        {"model": {"net": TENSORS}},
        {"epoch": 3, "model": {"state_dict": TENSORS}},
    ],
)
def test_wrappers_are_opened(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "t.pth")
    found = read_tensors(tmp_path / "t.pth")
    assert set(found) == set(TENSORS) and all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            torch.nn.Linear(2, 2),
            r"more than tensors, which is not unpickled here\. Save .* torch\.save\(model\.state_dict",
        ),
        ([torch.ones(2)], "holds a list, not tensors by name"),
        ({"epoch": 3}, "holds no tensors by name but a mapping of 'epoch'"),
        (
            {"student": TENSORS, "teacher": TENSORS},
            "of tensors under 'student', 'teacher'; save those of the network alone",
        ),
        ({}, "a mapping of nothing"),
    ],
)
def test_what_is_no_file_of_tensors_is_said(content: object, said: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "t.pth")
    with pytest.raises(UserError, match=said) as caught:
        read_tensors(tmp_path / "t.pth")
    assert "weights_only" not in str(caught.value)


def truncated(content: bytes, folder: Path, suffix: str) -> None:
    path = folder / f"t{suffix}"
    path.write_bytes(content)
    with contextlib.suppress(UserError):
        assert isinstance(read_tensors(path), dict)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A file of each kind."""
    folder = tmp_path_factory.mktemp("weights")
    np.savez(folder / "t.npz", **{name: tensor.numpy() for name, tensor in TENSORS.items()})
    save_file(TENSORS, folder / "t.safetensors")
    torch.save(TENSORS, folder / "t.pth")
    (folder / "t.caffemodel").write_bytes(bytes([0x0A, 3, 0x6E, 0x65, 0x74]))
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


def spoil(data: st.DataObject, files: dict[str, bytes], folder: Path) -> None:
    """A file cut short, or with another byte somewhere, is read or refused in words."""
    suffix = data.draw(st.sampled_from(sorted(files)))
    content = bytearray(files[suffix])
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    truncated(bytes(content), folder, suffix)


fixed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(fixed, max_examples=40)
@given(data=st.data())
def test_spoilt_files_end_in_words(data: st.DataObject, files: dict[str, bytes], tmp_path: Path) -> None:
    spoil(data, files, tmp_path)


@pytest.mark.slow
@settings(fixed, max_examples=2000)
@given(data=st.data())
def test_spoilt_files_end_in_words_many(data: st.DataObject, files: dict[str, bytes], tmp_path: Path) -> None:
    spoil(data, files, tmp_path)


def test_a_run_is_named_after_the_content_of_the_file(tmp_path: Path) -> None:
    tensors = {_caffe_name(name): p.detach().numpy() for name, p in BVLCGoogLeNet().named_parameters()}
    default = RunConfig()
    names = [digest(default, data="d", weights=weights_hash(default), versions={})]
    for folder in ("here", "there"):
        path = tmp_path / folder / "own.npz"
        path.parent.mkdir()
        np.savez(path, **tensors)
        config = RunConfig(backbone=Component("bvlc_googlenet", {"weights": str(path)}))
        assert weights_hash(config) == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        names.append(digest(config, data="d", weights=weights_hash(config), versions={}))
    assert names[0] != names[1] == names[2]
