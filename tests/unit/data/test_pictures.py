"""Photographs of every colour space and file format become 8-bit RGB, or one line says why not."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from doors import few_and_many
from hypothesis import given
from hypothesis import strategies as st
from miniatures import picture
from PIL import Image

from reproducible.data.photographs import pictures
from reproducible.data.photographs.folder import describe
from reproducible.data.photographs.pictures import read
from reproducible.data.photographs.plan import Halves
from reproducible.data.store import prepare, verify
from reproducible.resources import UserError


def saved(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(stream, kind, **options)
    return stream.getvalue()


def header(width: int, height: int) -> bytes:
    """A PNG file of which there is nothing but the header."""
    fields = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", fields), (b"IDAT", b""))
    packed = (struct.pack(">I", len(c)) + name + c + struct.pack(">I", zlib.crc32(name + c)) for name, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def tiff_of_12_bits(first: int, second: int) -> bytes:
    """Two grey pixels of twelve bits each, written out by hand."""
    tags = ((256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 3))
    content = bytes([first >> 4, (first & 15) << 4 | second >> 8, second & 255, 0])
    entries = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 12) + content + struct.pack("<H", len(tags)) + entries + bytes(4)


RAMP = np.linspace(0, 65535, 64 * 48).round().astype(np.uint16).reshape(48, 64)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_by_the_range_of_the_mode(kind: str) -> None:
    found = read(saved(RAMP, kind), "a.png")
    np.testing.assert_array_equal(found.pixels, np.repeat((RAMP / 257).round()[:, :, None], 3, axis=2))
    assert found.mode == "16-bit" and found.pixels.dtype == np.uint8


def test_twelve_bits_are_scaled_by_theirs() -> None:
    assert read(tiff_of_12_bits(4095, 2048), "a.tif").pixels[0, :, 0].tolist() == [255, 128]


@pytest.mark.parametrize(("mode", "said"), [("F", "floating-point numbers"), ("I", "32 bits a pixel")])
def test_numbers_without_a_declared_range_are_refused(mode: str, said: str) -> None:
    with pytest.raises(UserError, match=rf"a\.tif: of {said}, whose range no file says; save it with 8 or 16 bits"):
        read(saved(Image.new(mode, (4, 4), 3), "TIFF"), "a.tif")


def test_what_is_under_transparent_places_is_not_seen() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 4), np.uint8)
    noise[:10, :, 3], noise[10:, :, 3] = 0, 255
    found = read(saved(noise), "a.png")
    assert found.mode == "transparent" and (found.pixels[:10] == 255).all()
    np.testing.assert_array_equal(found.pixels[10:], noise[10:, :, :3])


def test_opaque_alpha_and_palettes_are_as_they_were() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 4), np.uint8)
    noise[..., 3] = 255
    found = read(saved(noise), "a.png")
    np.testing.assert_array_equal(found.pixels, noise[..., :3])
    assert found.mode == "RGB"
    few = Image.fromarray(noise[..., :3]).quantize(8)
    np.testing.assert_array_equal(read(saved(few), "a.png").pixels, np.asarray(few.convert("RGB")))


def test_a_palette_with_transparency_warns_of_nothing() -> None:
    few = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)).quantize(8)
    content = saved(few, transparency=bytes([0, 255, 255, 255, 255, 255, 255, 255]))
    with warnings.catch_warnings(record=True) as caught:
        found = read(content, "a.png")
    clear = np.asarray(few) == 0
    assert not caught and clear.any() and (found.pixels[clear] == 255).all()
    np.testing.assert_array_equal(found.pixels[~clear], np.asarray(few.convert("RGB"))[~clear])


def test_huge_photographs_are_named_with_their_size() -> None:
    wanted = r"^a\.png: too large: 180,000,000 pixels, at most 178,956,970; scale it down or exclude it\.$"
    with pytest.raises(UserError, match=wanted):
        read(header(20_000, 9_000), "a.png")


def test_large_photographs_warn_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)  # of which Pillow warns, and at twice as many it stops
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read(picture(0), "a.jpg").pixels.shape == (18, 24, 3)
    assert not caught
    monkeypatch.setattr(pictures, "LARGEST", 400)
    with pytest.raises(UserError, match="too large: 432 pixels, at most 400"):
        read(picture(0), "a.jpg")


def test_only_a_closed_list_of_formats_is_read() -> None:
    """Among the others is PostScript, which Pillow would hand over to another program."""
    page = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    for content in (page, saved(Image.new("RGB", (4, 4)), "PPM"), saved(Image.new("RGB", (4, 4)), "TGA")):
        with pytest.raises(UserError, match=r"a\.jpg: corrupt or truncated image, or none of JPEG, PNG, WEBP"):
            read(content, "a.jpg")


def test_through_the_store(photographs) -> None:
    """The pixels that are kept, and a remark with the count of each kind; .jfif and .avif are photographs, too."""
    folder = photographs()
    (folder / "a/0.jpg").unlink()
    (folder / "a/0.png").write_bytes(saved(RAMP[:48, :48]))
    clear = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    clear[..., 3] = 0
    (folder / "b/cut.png").write_bytes(saved(clear))
    for name, kind in (("c/0.jfif", "JPEG"), ("c/1.avif", "AVIF")):
        (folder / name).write_bytes(picture(5, kind=kind))
    made = describe(folder, Halves("first_half"), "mine", side=48)
    assert not any("not read" in remark for remark in made.remarks)
    store = prepare("mine")
    assert {"c/0.jfif", "c/1.avif"} < set(store.paths)
    np.testing.assert_array_equal(store.images[store.paths.index("a/0.png")][..., 1], (RAMP[:, :48] / 257).round())
    assert (store.images[store.paths.index("b/cut.png")] == 255).all()
    remarks = store.source["remarks"]
    assert "1 grey photographs of 16 bits a pixel, scaled to 8 and used as RGB: a/0.png" in remarks
    assert "1 photographs with transparent places, laid on white: b/cut.png" in remarks
    assert verify("mine").ok


MODES = st.sampled_from(["1", "L", "LA", "RGB", "RGBA", "P", "I;16", "CMYK", "F", "I"])


@few_and_many(30)
@given(
    mode=MODES,
    kind=st.sampled_from(["PNG", "TIFF", "WEBP", "GIF", "BMP", "JPEG"]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 2**32 - 1),
    cut=st.one_of(st.none(), st.floats(0, 1)),
)
def test_any_picture(mode: str, kind: str, size: tuple[int, int], seed: int, cut: float | None) -> None:
    """What a file says, laid on white; or an error that names the file, also where it is cut off anywhere."""
    noise = np.random.default_rng(seed)
    channels = {"LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}.get(mode, 1)
    top = {"I;16": 65536, "I": 65536, "1": 2}.get(mode, 256)
    values = noise.integers(0, top, (*size, channels))
    kept = values.squeeze(-1) if channels == 1 else values
    types = {"I;16": np.uint16, "I": np.int32, "F": np.float32}
    if mode == "1":
        image = Image.fromarray(kept.astype(bool))
    elif mode == "P":
        image = Image.fromarray(kept.astype(np.uint8)).convert("P")
    else:
        image = Image.fromarray(kept.astype(types.get(mode, np.uint8)))
        image = image if image.mode == mode else Image.frombytes(mode, size[::-1], kept.astype(np.uint8).tobytes())
    try:
        content = saved(image, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    except (OSError, KeyError, ValueError):  # a mode that this format does not have
        return
    whole = cut is None
    content = content if whole else content[: int(cut * len(content))]
    try:
        found = read(content, "here")
    except UserError as error:
        assert str(error).startswith("here: ") and (not whole or mode in ("F", "I"))
        return
    assert found.pixels.dtype == np.uint8 and found.pixels.shape == (*size, 3)
    if not whole or kind in ("JPEG", "GIF") or mode in ("CMYK", "P"):
        return
    if (mode in ("I;16", "I") and kind not in ("PNG", "TIFF")) or (
        mode == "RGBA" and kind == "BMP"
    ):  # Pillow wrote less
        return
    alpha = values[..., -1:] / 255 if mode in ("LA", "RGBA") else 1.0
    colour = values[..., :-1] if mode in ("LA", "RGBA") else values / (top - 1) * 255
    expected = colour * alpha + 255 * (1 - alpha)
    assert np.abs(found.pixels - expected).max() <= (1 if mode in ("LA", "RGBA") else 0.5)
