"""Files of weights: where they are looked for, how they are fetched and read, and what is refused."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
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
    with pytest.raises(UserError, match=r"f.pth: tensor 'a.bias' should have shape \(2,\), found None"):
        fitted(TENSORS, {"a.weight": TENSORS["a.weight"]}, "f.pth")


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
