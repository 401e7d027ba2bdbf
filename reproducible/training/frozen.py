"""What training and evaluation see of a trunk that is frozen below a stage: its cached maps in place of images.

The maps of an image are those of the view that an evaluation has of it and of ``data.windows`` fixed windows, which all
runs on a data set share whatever their seed, each as it is and mirrored. They hang on no arm and no class draw, so a
file of them (:mod:`reproducible.data.maps`) serves all. They are computed in fp32 whatever the precision of the run.
Explained on page: protocol.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from reproducible import registry
from reproducible.backbones.base import Backbone
from reproducible.config import RunConfig
from reproducible.data.augmentation import augmentation
from reproducible.data.maps import MapFile
from reproducible.data.store import Store
from reproducible.training.sets import Drawn, boxes_of, cut_out, fixed_windows
from reproducible.types import Batch


class CachedMaps:
    """Maps of the last frozen stage of a model's trunk, by image and view.

    Args:
        model: has a trunk with frozen stages (:meth:`reproducible.backbones.base.Backbone.freeze`).
        images: the packed store on the device, as :func:`reproducible.training.sets.images_of` gives it.
        store: that they are of.
        config: of the run.
    """

    def __init__(self, model: nn.Module, images: Tensor, store: Store, config: RunConfig) -> None:
        self.trunk = next(part for part in model.modules() if isinstance(part, Backbone) and part.frozen)
        self.cuts = getattr(model, "cuts", False)
        self.images, self.config = images, config
        self.known = boxes_of(store) if config.data.boxes else None
        self.data = replace(config.data, view_size=0, boxes=False)
        aspects = None if store.aspects is None else torch.from_numpy(store.aspects)
        views = augmentation(self.data).evaluation(len(images), images.shape[1], aspects)
        self.boxes = torch.cat([views[None], fixed_windows(config, store)])
        channels, height, width = self._maps(np.zeros(1, np.int64)).shape[1:]
        parts = ("input_size", "crop", "inside", "augmentation")
        about = {
            "data": store.fingerprint,
            "view": {name: getattr(self.data, name) for name in parts},
            "network": [config.backbone.name, registry.entry("backbone", config.backbone.name).version],
            "stage": self.trunk.frozen,
            "weights": _hash(self.trunk),
            "version": registry.MAPS.version,
            "arithmetic": f"torch {torch.__version__} {_units(images.device)}",
        }
        rows = len(images) * (1 + 2 * config.data.windows)
        shape = (height, width, channels)
        self.file = MapFile(f"{store.name}-{self.trunk.frozen}", about, shape, rows, self._compute)

    def rows(self, drawn: Drawn) -> np.ndarray:
        """Rows of the maps of images: of fixed windows, mirrored or not, or of what an evaluation sees."""
        slots = 0 if drawn.numbers is None else 1 + 2 * drawn.numbers + drawn.flip
        return (slots * len(self.images) + drawn.indices).numpy()

    def views(self, indices: np.ndarray) -> Drawn:
        """Images as an evaluation sees them."""
        known = torch.from_numpy(np.asarray(indices, np.int64))
        return Drawn(known, self.boxes[0, known], torch.zeros(len(known), dtype=torch.bool))

    def batch(self, drawn: Drawn, labels: Tensor) -> Batch:
        """What a model gets in place of images, and beside them where it cuts windows out of them."""
        found = torch.from_numpy(self.file.read(self.rows(drawn))).permute(0, 3, 1, 2)  # channels last
        maps = found.to(self.images.device).float()
        if not self.cuts:
            return Batch(maps, labels)
        stored = self.images[drawn.indices.to(self.images.device)]
        known = None if self.known is None else self.known[drawn.indices]
        return replace(cut_out(self.config.data, stored, drawn.boxes, labels, known, drawn.flip), maps=maps)

    def _compute(self, rows: np.ndarray) -> np.ndarray:
        return self._maps(rows).half().permute(0, 2, 3, 1).contiguous().cpu().numpy()

    @torch.no_grad()
    def _maps(self, rows: np.ndarray) -> Tensor:
        """What stands in rows, as :meth:`rows` says it, fp32, (len(rows), C, H, W)."""
        slots, indices = (torch.from_numpy(part) for part in np.divmod(rows, len(self.images)))
        boxes, flip = self.boxes[(slots + 1) // 2, indices], (slots > 0) & (slots % 2 == 0)
        stored = self.images[indices.to(self.images.device)]
        with torch.autocast(self.images.device.type, enabled=False):
            return self.trunk.below(cut_out(self.data, stored, boxes, indices, flip=flip).images)


def _hash(trunk: Backbone) -> str:
    """Of the weights of the frozen stages."""
    total = hashlib.sha256()
    for name, value in trunk.state_dict().items():
        if trunk.index(name.split(".")[1]) <= trunk.index(trunk.frozen):
            total.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:16]


def _units(device: torch.device) -> str:
    """What computes the last bits of a map."""
    return torch.backends.cpu.get_cpu_capability() if device.type == "cpu" else torch.cuda.get_device_name(device)
