"""One network that sees a window of the image: what object attention is worth by itself (DeML section 3.1).

DeML adds each scale to the ones before it, so that a gain may come from more features rather than from a better window.
Here the window takes the place of the image. Explained on page: object-attention.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from reproducible.attention.object import FORMS
from reproducible.attention.windows import chance, cut, object_window, placed
from reproducible.backbones.base import Backbone, as_tested
from reproducible.models.unified import Unified
from reproducible.models.untouched import Untouched
from reproducible.resources import UserError, nearest_name
from reproducible.types import Output

PLACES = ("object", "elsewhere")
LOOKS = ("pretrained", "trained")


class Zoomed(nn.Module):
    """U_d, or the pretrained network as it is, on windows that object attention finds.

    Attributes:
        cuts: whether it cuts windows out of its images, so that their maps are not enough.

    Args:
        backbone: the trunk.
        dim: d; 0: the pretrained network as it is.
        place: ``object``, or as a control ``elsewhere``: a window as large as the object's, at a place that hangs on
            the mean colour of the image alone.
        looks: whose maps attention reads: those of the ``pretrained`` trunk, or of the one that is ``trained``.
        layers: the stages that it looks at.
        form: of the walk, as in :func:`reproducible.attention.object.object_map`.
        both: the embedding is that of the image and that of the window, side by side; only where ``dim`` is 0.

    Raises:
        UserError: for an option out of range, with the nearest known name.
    """

    cuts = True

    def __init__(
        self,
        backbone: Backbone,
        dim: int = 512,
        place: str = "object",
        looks: str = "pretrained",
        layers: tuple[str, ...] = ("4e", "5b"),
        form: str = "columns",
        both: bool = False,
    ) -> None:
        super().__init__()
        for name, value, known in (("place", place, PLACES), ("looks", looks, LOOKS), ("form", form, FORMS)):
            if value not in known:
                raise UserError(
                    f"Zoomed.{name} must be one of {', '.join(known)}, got {value!r}.{nearest_name(value, known)}"
                )
        if both and dim:
            raise UserError(f"Zoomed.dim must be 0 where both is true, got {dim}.")
        if not layers:
            raise UserError("Zoomed.layers must be at least one stage, got none.")
        for layer in layers:
            backbone.index(layer)
        self.place, self.layers, self.both = place, layers, both
        self.walk = {"form": form}
        self.inner = Unified(backbone, dim) if dim else Untouched(backbone)
        if dim:
            self.inner.learner.stream = "learner"  # that of U_d, which sees the image instead
        apart = dim and looks == "pretrained"
        self.looker = copy.deepcopy(backbone).requires_grad_(False) if apart else None

    def train(self, mode: bool = True) -> Zoomed:
        """As of any module, but the network that attention looks through never trains."""
        super().train(mode)
        if self.looker is not None:
            self.looker.eval()
        return self

    def forward(self, images: Tensor, view: Tensor | None = None, maps: Tensor | None = None) -> Output:
        """Embed the windows of images.

        Args:
            images: RGB, 0 to 255, float, :math:`(N, 3, S, S)`.
            view: the same at another size, :math:`(N, 3, V, V)`: attention looks at them, and windows are cut out of
                them. None: of ``images``.
            maps: of the images, from the last stage that is frozen.

        Returns:
            The output of the network on the windows, each resized to S x S, with the attention of a second scale as
            :class:`reproducible.models.ensemble.Ensemble` names it: maps (``map_1_4e`` ...), ``window_2``, ``whole_2``.

        Raises:
            FloatingPointError: if object attention finds a map that is not finite.
        """
        first, source = images if maps is None else maps, images if view is None else view
        looker = self.inner.backbone if self.looker is None else self.looker
        with torch.no_grad(), as_tested(self):
            seen = looker(first if view is None else view, self.layers)
        window, found = object_window({layer: seen[layer] for layer in self.layers}, source.shape[2], 1, self.walk)
        if self.place == "elsewhere":
            window = placed(chance(images), window[:, 2:] - window[:, :2])
        output = self.inner(cut(source, window, images.shape[2]))
        embedding = output.embedding
        if self.both:
            embedding = torch.cat([self.inner(first).embedding, embedding], dim=1) / 2**0.5
        return replace(output, embedding=embedding, attention=found | {"window_2": window})
