"""The neighbours found are those of a literal full sort, whatever the engine, the chunks and the ties."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from reproducible.doctor import neighbour_search
from reproducible.evaluation import engines, nearest
from reproducible.resources import UserError
from tests.reference.retrieval import cosine, full_sort

ENGINES = ("torch", "faiss")
K = 20
GALLERY = 400  # enough that 20 neighbours are proposed in float32 first


def rows(count: int, seed: int, dimensions: int = 12) -> torch.Tensor:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))


def make_gallery(kind: str) -> torch.Tensor:
    """Galleries with every kind of tie."""
    gallery = rows(GALLERY, 1)
    match kind:
        case "duplicates":
            gallery[100:120] = gallery[3]
            gallery[300] = gallery[0]
        case "more duplicates than the proposal holds":
            gallery[::4] = rows(8, 0)[0]
        case "duplicates of other lengths":
            gallery[200:300] = gallery[:100] * torch.linspace(0.1, 30, 100)[:, None]
        case "nearly equal":
            gallery = gallery[0] + 1e-4 * gallery
        case "all equal":
            gallery = gallery[:1].repeat(GALLERY, 1)
        case "zero rows":
            gallery[10:390] = 0
        case "all zero":
            gallery = torch.zeros_like(gallery)
        case "few values":
            gallery = gallery.clamp(-0.6, 0.6).round()
        case "tiny and huge":
            gallery[::2] *= 1e-30
            gallery[1::2] *= 1e30
    return gallery


KINDS = (
    "random",
    "duplicates",
    "more duplicates than the proposal holds",
    "duplicates of other lengths",
    "nearly equal",
    "all equal",
    "zero rows",
    "all zero",
    "few values",
    "tiny and huge",
)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_are_those_of_a_full_sort(kind: str, engine: str) -> None:
    gallery, queries = make_gallery(kind), rows(8, 0)
    queries[7] = 0
    ids, cosines = nearest(queries, gallery, K, engine=engine)
    wanted = [ranking[:K] for ranking in full_sort(queries.numpy(), gallery.numpy())]
    assert ids.tolist() == wanted
    pairs = zip(queries.double().numpy(), wanted, strict=True)
    exact = [[cosine(query, gallery[g].double().numpy()) for g in ranking] for query, ranking in pairs]
    np.testing.assert_allclose(cosines, exact, atol=1e-6)
    assert ids.dtype == np.int64
    assert cosines.dtype == np.float32


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_query_is_left_out_by_its_index(kind: str, engine: str) -> None:
    gallery = make_gallery(kind)
    own = np.array([0, 3, 110, -1, 399, 17])
    queries = gallery[own.clip(0)]
    ids, _ = nearest(queries, gallery, K, own=own, engine=engine)
    assert ids.tolist() == [ranking[:K] for ranking in full_sort(queries.numpy(), gallery.numpy(), own.tolist())]
    assert not (ids == own[:, None]).any()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_duplicate_of_the_query_is_a_neighbour(engine: str) -> None:
    gallery = make_gallery("duplicates")
    ids, cosines = nearest(gallery[[0, 300]], gallery, 1, own=[0, 300], engine=engine)
    assert ids[:, 0].tolist() == [300, 0]
    np.testing.assert_allclose(cosines, 1)


@pytest.mark.parametrize("kind", ["random", "few values", "more duplicates than the proposal holds"])
def test_chunks_do_not_show(kind: str) -> None:
    gallery = make_gallery(kind)
    own = torch.arange(100)
    whole, _ = nearest(gallery[:100], gallery, K, own=own, engine="torch")
    for engine in ENGINES:
        for chunk in (7, 50):
            found, _ = nearest(gallery[:100], gallery, K, own=own, chunk=chunk, engine=engine)
            np.testing.assert_array_equal(found, whole)


def test_the_whole_gallery_can_be_ranked() -> None:
    gallery = rows(30, 2)
    ids, _ = nearest(gallery, gallery, 29, own=range(30))
    assert ids.tolist() == full_sort(gallery.numpy(), gallery.numpy(), range(30))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_floating_type_with_gradients_and_autocast(dtype: torch.dtype) -> None:
    gallery = rows(GALLERY, 3).to(dtype).requires_grad_()
    wanted, _ = nearest(gallery.detach().float(), gallery.detach().float(), K)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", torch.bfloat16):
            found, _ = nearest(gallery, gallery, K)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    np.testing.assert_array_equal(found, wanted)


def test_faiss_searches_on_the_cpu_by_as_many_threads_as_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    threads, faiss = [], engines.faiss_if_installed()
    knn = faiss.knn

    def noting(*arguments: object) -> object:
        threads.append(faiss.omp_get_max_threads())
        return knn(*arguments)

    monkeypatch.setattr(faiss, "knn", noting)
    before = torch.get_num_threads()
    try:
        for number in (2, 1):
            torch.set_num_threads(number)
            nearest(rows(5, 0), rows(GALLERY, 1), K)
    finally:
        torch.set_num_threads(before)
    assert threads == [2, 1]
    assert engines.fastest(torch.device("cuda")) == "torch"


def test_without_faiss_torch_finds_the_same_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery, queries = make_gallery("few values"), rows(50, 0)
    wanted, _ = nearest(queries, gallery, K)
    assert neighbour_search(torch.device("cpu")).startswith("faiss")
    monkeypatch.setitem(sys.modules, "faiss", None)  # so that importing it fails
    np.testing.assert_array_equal(nearest(queries, gallery, K)[0], wanted)
    assert neighbour_search(torch.device("cpu")).startswith("torch on cpu; faiss, which is not installed")
    with pytest.raises(UserError, match="faiss is asked for and not installed"):
        nearest(queries, gallery, K, engine="faiss")


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation gives."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, list | tuple) else [out]:
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return out


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["random", "all equal"])
def test_memory_is_bounded_by_the_chunk(kind: str, engine: str) -> None:
    gallery = make_gallery(kind)[:, :4].repeat(8, 1) + (rows(8 * GALLERY, 4, 4) if kind == "random" else 0)
    with Largest() as largest:
        nearest(gallery[:100], gallery, 4, chunk=16, engine=engine)
    assert largest.numbers <= max(gallery.numel(), 8 * 16**2) < 100 * len(gallery) / 20


@pytest.fixture
def narrow_proposals() -> Iterator[None]:
    """Proposals of two candidates beyond k even from small galleries, so that few ties overflow them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "_MARGIN", 2)
        patch.setattr(engines, "_WORTH_PROPOSING", 1)
        yield


@st.composite
def tied_searches(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, list[int], int, int]:
    """Small-integer embeddings, so that ties abound, with some queries in the gallery."""
    count, dimensions = draw(st.integers(8, 40)), draw(st.integers(1, 4))
    vector = st.lists(st.integers(-2, 2), min_size=dimensions, max_size=dimensions)
    gallery = torch.tensor(draw(st.lists(vector, min_size=count, max_size=count)), dtype=torch.float32)
    own = draw(st.lists(st.integers(-1, count - 1), min_size=1, max_size=6))
    return gallery[np.array(own).clip(0)], gallery, own, draw(st.integers(1, 5)), draw(st.integers(1, 10))


@pytest.mark.usefixtures("narrow_proposals")
def test_ties_beyond_the_proposal_are_found_too() -> None:
    @settings(max_examples=80, deadline=None)
    @given(tied_searches())
    def check(case: tuple[torch.Tensor, torch.Tensor, list[int], int, int]) -> None:
        queries, gallery, own, k, chunk = case
        wanted = [ranking[:k] for ranking in full_sort(queries.numpy(), gallery.numpy(), own)]
        for engine in ENGINES:
            assert nearest(queries, gallery, k, own=own, engine=engine, chunk=chunk)[0].tolist() == wanted

    check()


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(GALLERY)), st.sampled_from(ENGINES))
def test_without_ties_the_order_of_the_gallery_does_not_matter(order: list[int], engine: str) -> None:
    gallery, queries = rows(GALLERY, 5), rows(5, 6)
    ids, cosines = nearest(queries, gallery, K, engine=engine)
    shuffled, same_cosines = nearest(queries, gallery[order], K, engine=engine)
    np.testing.assert_array_equal(np.array(order)[shuffled], ids)
    np.testing.assert_allclose(same_cosines, cosines, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["queries", "gallery"])
def test_an_embedding_that_is_not_finite_is_named(name: str, value: float, engine: str) -> None:
    given = {"queries": rows(9, 0), "gallery": rows(GALLERY, 1)}
    given[name][5, 2] = given[name][7, 1] = value
    with pytest.raises(ValueError, match=f"{name}: row 5 of {len(given[name])} holds NaN or infinity"):
        nearest(**given, k=2, engine=engine)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"gallery": torch.zeros(0, 12)}, r"gallery: expected .* got \(0, 12\)"),
        ({"queries": torch.zeros(0, 12)}, r"queries: expected .* got \(0, 12\)"),
        ({"queries": torch.zeros(12)}, r"queries: expected .* got \(12,\)"),
        ({"queries": rows(9, 0, 11)}, "queries have 11 dimensions and the gallery 12"),
        ({"k": 0}, "k: 0 neighbours asked for; a query can have 1 to 30 in a gallery of 30"),
        ({"k": 31}, "k: 31 neighbours asked for; a query can have 1 to 30 in a gallery of 30"),
        ({"k": 30, "own": range(9)}, "k: 30 neighbours asked for; a query can have 1 to 29 in a gallery of 30"),
        ({"own": [0]}, "own: expected 9 gallery indices from -1"),
        ({"own": [30] * 9}, "own: expected 9 gallery indices from -1 .* to 29"),
        ({"own": [-2] * 9}, "own: expected 9 gallery indices from -1"),
        ({"engine": "annoy"}, "engine: 'annoy' is not one of auto, torch, faiss"),
        ({"chunk": 0}, "chunk: 0 must be at least 1"),
    ],
)
def test_what_does_not_fit_is_named(changed: dict[str, object], message: str) -> None:
    given = {"queries": rows(9, 0), "gallery": rows(30, 1), "k": 2} | changed
    with pytest.raises(ValueError, match=message):
        nearest(**given)
