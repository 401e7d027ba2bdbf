"""Pieces of a trunk: what they take and give, what is theirs, and that models stand on them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from reproducible import registry
from reproducible.backbones.bvlc import BVLCGoogLeNet
from reproducible.backbones.compact import CompactGoogLeNet
from reproducible.resources import UserError
from reproducible.training.seeding import initialise


@pytest.fixture(scope="module")
def trunk() -> CompactGoogLeNet:
    return CompactGoogLeNet().eval()


def images() -> Tensor:
    return 255 * torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))


def test_part_is_a_trunk_of_its_own(trunk: CompactGoogLeNet) -> None:
    piece = trunk.part("pool3", "4e")
    assert (piece.after, piece.last, list(piece.stages)) == ("pool3", "4e", ["4a", "4b", "4e"])
    assert piece.channels == {name: trunk.channels[name] for name in ("pool3", "4a", "4b", "4e")}
    assert [piece.index(name) for name in ("pool3", "4a", "4e")] == [-1, 0, 2]
    ours, theirs = ([*of.parameters(), *of.buffers()] for of in (piece, trunk))
    assert not {id(t) for t in ours} & {id(t) for t in theirs}
    assert all(torch.equal(piece.state_dict()[name], trunk.state_dict()[name]) for name in piece.state_dict())
    given = trunk(images(), ("pool3",))["pool3"]
    kept = trunk.walk(given, "pool3", ("4e",))["4e"]
    with torch.no_grad():
        nn.init.zeros_(next(piece.stages["4a"].parameters()))
    torch.testing.assert_close(trunk.walk(given, "pool3", ("4e",))["4e"], kept, rtol=0, atol=0)
    assert not torch.equal(piece(given)["4e"], kept)


def test_part_takes_maps_and_gives_what_the_whole_does(trunk: CompactGoogLeNet) -> None:
    wanted = trunk(images(), ("pool3", "4b", "pool4", "5b"))
    piece = trunk.part("pool3")
    found = piece(wanted["pool3"], ("pool3", "4b", "pool4", "5b"))
    assert found.keys() == wanted.keys() and found["pool3"] is wanted["pool3"]
    for name, value in piece(wanted["pool3"], ("pool3",)).items() | piece(wanted["pool3"]).items() | found.items():
        torch.testing.assert_close(value, wanted[name], rtol=0, atol=0)
    for after in ("", "pool3"):
        torch.testing.assert_close(piece.walk(wanted["pool3"], after)["5b"], wanted["5b"], rtol=0, atol=0)
    torch.testing.assert_close(piece.walk(wanted["4b"], "4b")["5b"], wanted["5b"], rtol=0, atol=0)


def test_part_of_a_part(trunk: CompactGoogLeNet) -> None:
    given = trunk(images(), ("4b", "pool4"))
    inner = trunk.part("pool3").part("4b", "pool4")
    torch.testing.assert_close(inner(given["4b"])["pool4"], given["pool4"], rtol=0, atol=0)
    begins = trunk.part("pool3").part(until="4b")
    assert (begins.after, list(begins.channels)) == ("pool3", ["pool3", "4a", "4b"])


def test_part_from_the_beginning_takes_images(trunk: CompactGoogLeNet) -> None:
    head = trunk.part(until="pool3")
    torch.testing.assert_close(head(images())["pool3"], trunk(images(), ("pool3",))["pool3"], rtol=0, atol=0)
    assert (head.after, head.last) == ("", "pool3")


@pytest.mark.parametrize(("name", "options"), [("unified", {}), ("vem", {}), ("untouched", {"stages": ("4b",)})])
def test_models_stand_on_a_part_as_on_the_whole(trunk: CompactGoogLeNet, name: str, options: dict) -> None:
    made = [registry.build("model", name, of, **options) for of in (trunk, trunk.part("pool3"))]
    for model in made:
        initialise(model.eval(), 0)
    maps = trunk(images(), ("pool3",))["pool3"]
    wanted, found = made[0](images()).features, made[1](maps).features
    assert wanted.keys() == found.keys()
    for of in wanted:
        torch.testing.assert_close(found[of], wanted[of], rtol=0, atol=0)


def test_what_is_no_part(trunk: CompactGoogLeNet) -> None:
    for after, until in (("4b", "4b"), ("4e", "4a"), ("5b", "")):
        with pytest.raises(
            UserError, match=rf"Stage '{until or '5b'}' of CompactGoogLeNet does not lie behind '{after}'"
        ):
            trunk.part(after, until)
    with pytest.raises(UserError, match=r"has no stage 'pool5'\. Did you mean 'pool"):
        trunk.part("pool5")
    with pytest.raises(UserError, match="has no stage 'pool3'"):
        trunk.part("4a").part("pool3")
    with pytest.raises(UserError, match=r"'4a' .* does not lie behind '4a'"):
        trunk.part("4a").walk(torch.zeros(1, 128, 6, 6), collect=("4a",))


def test_part_of_the_whole_network_holds_no_more_than_its_stages() -> None:
    network = BVLCGoogLeNet(pretrained=False)
    count = {name: sum(p.numel() for p in stage.parameters()) for name, stage in network.stages.items()}
    found = sum(p.numel() for p in network.part("pool3", "4e").parameters())
    assert found == sum(count[name] for name in ("4a", "4b", "4c", "4d", "4e")) == 2_809_168
