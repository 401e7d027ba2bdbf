"""The papers' data sets in miniature: a few images in each official layout, with the defects the originals have.

Each function fills a folder with the files of the official source; ``files`` maps the path in the official archive to
its content and may be spoilt before ``write`` packs it.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from reproducible.resources import cache_dir, manifests

WIDTH, HEIGHT = 24, 18


def picture(seed: int, mode: str = "RGB", kind: str = "JPEG", size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    """A noise photograph in a colour space and a file format."""
    channels = {"RGB": 3, "L": 1, "CMYK": 4}[mode]
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise.squeeze(), mode).save(stream, kind)
    return stream.getvalue()


@dataclass
class Miniature:
    """A data set in miniature.

    Attributes:
        name: of the official manifest.
        folder: where it is written.
        archive: name of the official archive.
        files: path in the archive -> content.
        beside: further files of the source, beside the archive.
        changes: what the manifest of the miniature has instead: counts and the like.
        images: paths of the images in the archive, in the order of the official list.
    """

    name: str
    folder: Path
    archive: str
    changes: dict
    files: dict[str, bytes] = field(default_factory=dict)
    beside: dict[str, bytes] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)

    def write(self, extracted: str = "") -> Path:
        """Packs the archive, or lays the files into a folder of that name; returns the path of a manifest."""
        if extracted:
            for path, content in {**self.files, **self.beside}.items():
                place = self.folder / extracted / path.removeprefix(f"{extracted}/")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
        else:
            for path, content in self.beside.items():
                (self.folder / path).write_bytes(content)
            self.pack()
        path = self.folder / f"{self.name}.yaml"
        content = yaml.safe_load((manifests() / path.name).read_text())
        content |= {"side": 16, "validation": {"classes": 2, "seed": 0}} | self.changes
        path.write_text(yaml.safe_dump(content))
        return path

    def pack(self) -> None:
        """The official archive."""
        target = self.folder / self.archive
        if target.suffix == ".zip":
            with zipfile.ZipFile(target, "w") as archive:
                for path, content in self.files.items():
                    archive.writestr(path, content)
            return
        with tarfile.open(target, "w:gz") as archive:
            for path, content in self.files.items():
                member = tarfile.TarInfo(path)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))

    def add(self, path: str, content: bytes) -> None:
        """An image."""
        self.files[path] = content
        self.images.append(path)


def lines(*rows: object) -> bytes:
    """A list, one row a line."""
    return ("\n".join(str(row) for row in rows) + "\n").encode()


def cub(folder: Path) -> Miniature:
    """Classes 97 to 104, two images each; the first is grey, the second pair of class 98 is one photograph twice."""
    counts = {"counts": {"train": 8, "test": 8}, "classes": {"train": 4, "test": 4}}
    made = Miniature("cub200", folder, "CUB_200_2011.tgz", counts)
    made.files["._CUB_200_2011"] = b"Mac OS X"
    made.files["attributes.txt"] = lines("1 has_bill_shape::dagger", "2 has_wing_color::blue", "3 has_size::large")
    names, labels, classes, boxes, spots, marks = [], [], [], [], [], []
    for c in range(97, 105):
        classes.append(f"{c} {c:03d}.Bird_{c}")
        for i in range(2):
            image = len(names) + 1
            name = f"{c:03d}.Bird_{c}/Bird_{c}_{i:04d}_{image}.jpg"
            seed = 3 if c == 98 else image
            made.add(f"CUB_200_2011/images/{name}", picture(seed, "L" if image == 1 else "RGB"))
            names.append(f"{image} {name}")
            labels.append(f"{image} {c}")
            boxes.append(f"{image} 6.0 3.0 12.0 9.0")
            spots += [f"{image} 1 12.0 9.0 1", f"{image} 2 0.0 0.0 0"]
            marks += [f"{image} {a} {int(a == image % 3 + 1)} 3 1.5" for a in (1, 2, 3)]
    marks[4] += " 0 0"  # a line with more fields than the README says
    for name, rows in (
        ("images.txt", names),
        ("image_class_labels.txt", labels),
        ("classes.txt", classes),
        ("bounding_boxes.txt", boxes),
        ("parts/parts.txt", ["1 back", "2 left eye"]),
        ("parts/part_locs.txt", spots),
        ("attributes/image_attribute_labels.txt", marks),
    ):
        made.files[f"CUB_200_2011/{name}"] = lines(*rows)
    return made


def cars(folder: Path) -> Miniature:
    """Classes 96 to 101, three images each, in the order of the original: not by class; the fifth is grey."""
    counts = {"counts": {"train": 9, "test": 9}, "classes": {"train": 3, "test": 3}}
    made = Miniature("cars196", folder, "car_ims.tgz", counts)
    made.files["._car_ims"] = b"Mac OS X"
    for i in range(18):
        made.add(f"car_ims/{i + 1:06d}.jpg", picture(7 if i == 8 else i, "L" if i == 4 else "RGB"))
    made.beside["cars_annos.mat"] = annotations(made.images, "relative_im_path")
    return made


def annotations(paths: list[str], key: str, first: int = 0) -> bytes:
    """A list of the cars in MATLAB's format; box of 1-based pixels 7 to 18 and 4 to 12, both ends included."""
    from scipy.io import savemat

    kinds = [(key, "O"), *((f"bbox_{name}", "O") for name in ("x1", "y1", "x2", "y2")), ("class", "O")]
    table = np.empty((1, len(paths)), kinds)
    for i, path in enumerate(paths):
        box = [np.array([[v]], np.uint8) for v in (7, 4, 18, 12)]
        table[0, i] = (np.array([path]), *box, np.array([[96 + (first + i) % 6]], np.uint8))
    names = np.empty((1, 196), "O")
    for c in range(196):
        names[0, c] = np.array([f"Maker Model {c + 1}"])
    stream = io.BytesIO()
    savemat(stream, {"annotations": table, "class_names": names})
    return stream.getvalue()


def products(folder: Path) -> Miniature:
    """Four products to train on, three to test on, of two kinds; one photograph is there under two products."""
    counts = {"counts": {"train": 8, "test": 6}, "classes": {"train": 4, "test": 3}}
    made = Miniature("sop", folder, "Stanford_Online_Products.zip", counts)
    root = "Stanford_Online_Products"
    made.files[f"__MACOSX/{root}/._Ebay_train.txt"] = b"Mac OS X"
    made.files[f"{root}/bicycle_final/._1_0.JPG"] = b"Mac OS X"
    number = 0
    for part, classes in (("train", (1, 2, 3, 4)), ("test", (11319, 11320, 11321))):
        rows = ["image_id class_id super_class_id path"]
        for c in classes:
            for i in range(2):
                number += 1
                kind, n = ("bicycle", 1) if c % 2 else ("sofa", 2)
                path = f"{kind}_final/{c}_{i}.JPG"
                made.add(f"{root}/{path}", picture(2 if number == 5 else number, "L" if number == 7 else "RGB"))
                rows.append(f"{number} {c} {n} {path}")
        made.files[f"{root}/Ebay_{part}.txt"] = lines(*rows)
    return made


def inshop(folder: Path) -> Miniature:
    """Four items to train on, three as queries and gallery; boxes and attributes of all but one item."""
    counts = {"counts": {"train": 8, "query": 3, "gallery": 6}, "classes": {"train": 4, "query": 3, "gallery": 3}}
    made = Miniature("inshop", folder, "img.zip", counts)
    made.files["img/WOMEN/._Dresses"] = b"Mac OS X"
    rows, boxes, items = [], [], []
    for item in range(1, 8):
        name = f"id_{item:08d}"
        for i, part in enumerate(("train", "train") if item < 5 else ("query", "gallery", "gallery")):
            path = f"img/{'WOMEN/Dresses' if item % 2 else 'MEN/Denim'}/{name}/0{i + 1}_1_front.jpg"
            seed = 100 if (item, i) in ((5, 0), (5, 1)) else 10 * item + i
            made.add(path, picture(seed, "L" if (item, i) == (2, 0) else "RGB"))
            rows.append(f"{path}   {name}  {part}")
            boxes.append(f"{path}  3  1  6 3 18 12")
        if item != 6:
            items.append(f"{name} {1 if item % 2 else -1} 0 -1")
    head = "image_name item_id evaluation_status"
    made.beside = {
        "list_eval_partition.txt": lines(len(rows), head, *rows),
        "list_bbox_inshop.txt": lines(len(rows), "image_name clothes_type pose_type x_1 y_1 x_2 y_2", *boxes),
        "list_attr_cloth.txt": lines(3, "attribute_name", "a-line", "knit fabric", "print"),
        "list_attr_items.txt": lines(len(items), "item_id attribute_labels", *items),
    }
    return made


def squashed(content: bytes, side: int = 16, box: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """What the store should hold: Pillow's own steps, one after the other."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    return np.asarray((image.crop(box) if box else image).resize((side, side), Image.Resampling.BICUBIC))


def left_behind() -> list[str]:
    """Names in the cache's folder of stores, without lock files."""
    return sorted(p.name for p in cache_dir().glob("stores/*") if p.suffix != ".lock")


def changed(path: Path, key: str, value: object) -> Path:
    """A manifest with one other value; returns its path."""
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {key: value}))
    return path


OFFICIAL = {"cub200": cub, "cars196": cars, "sop": products, "inshop": inshop}
EXTRACTED = {
    "cub200": "CUB_200_2011",
    "cars196": "cars196",
    "sop": "Stanford_Online_Products",
    "inshop": "In-shop Clothes Retrieval Benchmark",
}
