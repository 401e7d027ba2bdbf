"""DeML: scales and branches with their controls, on groceries and glyphs (pages: channel-attention, grid and ledger).

Input, batch, rate, gamma and the weight of the activation term are the baseline's. So are the steps, on groceries
halved: with activation decay, U512 was at its best on the validation classes within the first 200 on every draw. The
released ramp of the reversal ends after two thirds of the document's 15,000 steps, and does so here. Object attention
looks at the same windows at the side of the stored images, and cuts the next scale's windows out of them. On glyphs
learners and the inner layer of a gate have a quarter of the document's sizes, after which arms are named.
"""

from __future__ import annotations

from reproducible.studies import baseline
from reproducible.studies.arms import Arm, first, later, planned
from reproducible.studies.base import Study
from reproducible.studies.baseline import CURVES
from reproducible.studies.benchmarks import GLYPHS, GROCERIES, Params
from reproducible.studies.ensembles import ALONE, DEFAULTS, DIVERGENCE, UNIFIED, build, grid, hinge

LACT = baseline.DECAYED  # the tunings of U512 with activation decay
HALVED = {"steps": 200, "protocols": ("photo_to_iconic",)}
"""On groceries."""
HEADS = {"gate": "none", "shared_learner": False, **ALONE}
RANDOM = {"gate": "fixed", "shared_learner": False, **ALONE}
RELEASED_ATTENTION = {"layers": ("5b",), "locality": 0.15}
RELEASED_GATE = {"gate": "unpooled", "at": "4b"}
EVEN = {"gain": 0.1}  # gates of GoogLeNet start within a few hundredths of 1/2
UNDECAYED = {"lact": 0.0, "ntri": 0.0}
FROZEN = {"batch_statistics": False}
LONG = {"steps": 1200, "ramp": 300, **CURVES}
"""Four times the steps on glyphs, the ramp as before: one run tells what 300, 600 and 1,200 steps would have found."""


def _arms(*declared: tuple[str, str, Params], tuned: tuple[str, ...] = LACT) -> tuple[Arm, ...]:
    """Arms of these names, titles and parameters, by default at the baseline's rate, gamma and weight of L_act."""
    return tuple(Arm(name, title, params, tuned) for name, title, params in declared)


def _plain(*declared: tuple[str, str, Params], tuned: tuple[str, ...] = baseline.BASE) -> tuple[Arm, ...]:
    """Arms of U_d."""
    return _arms(*((name, title, {**UNIFIED, **params}) for name, title, params in declared), tuned=tuned)


def _diversity(branches: int) -> tuple[Arm, ...]:
    """DeML(1, J) with its adversary, without, and with the released substitute."""
    named, title = f"deml-1-{branches}", f"DeML(1,{branches})"
    return _arms(
        (named, title, grid(1, branches, **CURVES)),
        (f"{named}-no-adversary", f"{title} without L_adv", grid(1, branches, **ALONE, **CURVES)),
        (f"{named}-hinge", f"{title}, released substitute", grid(1, branches, **hinge(branches))),
    )


ARMS = (
    *_plain(
        ("u512", "U512", CURVES),
        ("u512-lact-printed", "U512 + L_act, printed", {**baseline.PRINTED, **CURVES}),
        ("u512-long", "U512, 1,200 steps", LONG),
        # one network with the computation, or with twice the dimensions, of two
        ("u512-160", "U512, input 160", {"size": 160}),
        ("u512-64", "U512, input 64", {"size": 64}),
        ("u1024", "U1024", {"dim": 1024}),
        # What the two released network files differ in: gamma 25 and 35, 130 and 26 images a loss (five to one), 5,000
        # and 20,000 steps, the schedule, activation decay.
        ("u512-gamma-25", "U512, gamma 25", {"gamma": 25.0}),
        ("u512-gamma-35", "U512, gamma 35", {"gamma": 35.0}),
        ("u512-settings-of-u512", "U512, released settings of U512", {"gamma": 25.0, "batch": (15, 2)}),
        (
            "u512-settings-of-deml",
            "U512, released settings of DeML",
            {
                **{"gamma": 35.0, "batch": (3, 2), "steps": 800, "looks": (200, 400, 400), "slower": True},
                **{"lact": 0.014, "released": True, "ntri": 0.5 / 512},
            },
        ),
    ),
    *_plain(  # the first differs from DeML(1,1) by a gate alone
        ("u512-lact-tuned", "U512 + L_act, tuned", {**baseline.ROWS, **CURVES}),
        ("u512-lact-tuned-long", "U512 + L_act, tuned, 1,200 steps", {**baseline.ROWS, **LONG}),
        tuned=LACT,
    ),
    # as large as one learner of DeML(1,8)
    *_plain(("u64-lact-tuned", "U64 + L_act, tuned", {**baseline.ROWS, "dim": 64}), tuned=(*baseline.BASE, "lact-64")),
    *_arms(("deml-1-1", "DeML(1,1)", grid(1, **CURVES))),
    *(a for branches in (4, 8) for a in _diversity(branches)),
    *_arms(*((f"deml-{i}-1", f"DeML({i},1)", grid(i)) for i in (2, 3))),
    *_arms(*((f"deml-{i}-{j}", f"DeML({i},{j})", grid(i, j)) for i, j in ((1, 2), (1, 16), (2, 2), (2, 4), (3, 3)))),
    *_arms(("abe-8", "ABE-8", grid(1, 8, gate="trunk", **DIVERGENCE))),
    *_arms(  # what stands in the place of object attention: the scales behind the first see another part of the image
        ("full-image-2", "2 networks, full images", grid(2, zoom="full")),
        ("centre-zoom-2", "2 networks, centre crops", grid(2, zoom="centre")),
        ("random-zoom-2", "2 networks, random crops", grid(2, zoom="random")),
        ("object-zoom-2", "2 networks, true squares", grid(2, zoom="object")),  # photographs have no boxes
        ("full-image-3", "3 networks, full images", grid(3, zoom="full")),
        ("centre-zoom-3", "3 networks, centre crops", grid(3, zoom="centre")),
    ),
    *_arms(
        ("heads-4", "4 heads without gates", grid(1, 4, **HEADS)),
        ("heads-4-random-gates", "4 heads, gates not trained", grid(1, 4, **RANDOM)),
        ("heads-8-random-gates", "8 heads, gates not trained", grid(1, 8, **RANDOM)),
        ("deml-2-1-shared-trunk", "DeML(2,1), one trunk", grid(2, shared_trunk=True)),
    ),
    *_arms(
        ("deml-1-1-long", "DeML(1,1), 1,200 steps", grid(1, **LONG)),
        ("deml-1-8-long", "DeML(1,8), 1,200 steps", grid(1, 8, **LONG)),
        ("deml-1-8-no-adversary-long", "DeML(1,8) without L_adv, 1,200 steps", grid(1, 8, **ALONE, **LONG)),
        ("deml-2-1-long", "DeML(2,1), 1,200 steps", grid(2, **LONG)),
        *(
            (f"deml-1-{j}-frozen-statistics", f"DeML(1,{j}), frozen statistics", grid(1, j, **FROZEN))
            for j in (1, 4, 8)
        ),
    ),
    # L_act is a mean over learners (Eq. 6), which are smaller the more there are: beside the metric loss, a mean as
    # well, it weighs about I J times less than in U512, so that a step of the grid changes it too.
    *_arms(
        *(
            (f"deml-{i}-{j}-no-lact", f"DeML({i},{j}) without L_act", grid(i, j, **UNDECAYED))
            for i, j in ((1, 1), (1, 4), (2, 1), (1, 8))
        ),
    ),
    *_arms(
        ("deml-1-8-separate-fc", "DeML(1,8), separate FC", grid(1, 8, shared_learner=False)),
        (
            "deml-1-8-no-adversary-separate-fc",
            "DeML(1,8) without L_adv, separate FC",
            grid(1, 8, shared_learner=False, **ALONE),
        ),
        ("deml-1-8-random-gates", "DeML(1,8), gates not trained", grid(1, 8, gate="fixed")),
        ("deml-1-8-cosine-penalty", "DeML(1,8), cosine penalty", grid(1, 8, **hinge(8, margin=4.0, squares=True))),
        ("deml-1-8-abe-divergence", "DeML(1,8), ABE's divergence", grid(1, 8, **DIVERGENCE)),
        # At weight 10 the gates of a fresh DeML(1,8) on glyphs get a gradient as large as the adversary's.
        ("deml-1-8-gate-repulsion", "DeML(1,8), gates repel", grid(1, 8, repulsion=10.0, **ALONE)),
        ("deml-1-8-mined", "DeML(1,8), mined negatives", grid(1, 8, mined=True)),
        ("deml-1-4-separate-fc", "DeML(1,4), separate FC", grid(1, 4, shared_learner=False)),
        ("deml-1-4-constant-reversal", "DeML(1,4), reversal whole from the start", grid(1, 4, ramp=0)),
        ("deml-1-4-plain-rival", "DeML(1,4), F as written", grid(1, 4, plain=True)),
        ("deml-1-4-centred-rival", "DeML(1,4), F without a shift", grid(1, 4, shifted=False)),
        ("deml-1-4-released-gate", "DeML(1,4), released gate", grid(1, 4, **RELEASED_GATE)),
    ),
    # The ledger. The released code sums over scales what is a mean here, and counts a matrix that learners share once.
    *_arms(
        ("deml-1-1-even-gates", "DeML(1,1), gates that start near 1/2", grid(1, **EVEN)),
        ("deml-1-4-even-gates", "DeML(1,4), gates that start near 1/2", grid(1, 4, **EVEN)),
        ("deml-2-1-rows", "DeML(2,1), printed walk", grid(2, form="rows")),
        ("deml-2-1-degree", "DeML(2,1), closed form of the walk", grid(2, form="degree")),
        ("deml-2-1-released-attention", "DeML(2,1), released walk, 5b alone", grid(2, **RELEASED_ATTENTION)),
        ("deml-2-1-5b", "DeML(2,1), 5b alone", grid(2, layers=("5b",))),
        ("deml-2-1-from-input", "DeML(2,1), crops of the input", grid(2, view=0)),
        ("deml-2-4-mean-maps", "DeML(2,4), maps averaged over branches", grid(2, 4, source="mean")),
        ("deml-2-1-gamma-25", "DeML(2,1), gamma 25", grid(2, gamma=25.0)),
        ("deml-2-1-gamma-35", "DeML(2,1), gamma 35", grid(2, gamma=35.0)),
        ("deml-2-1-pairs", "DeML(2,1), 12 classes of 2", grid(2, batch=(12, 2))),
        ("deml-2-1-lact-printed", "DeML(2,1), L_act as printed", grid(2, **baseline.PRINTED)),
        (
            "deml-2-1-lact-released",
            "DeML(2,1), released L_act",
            grid(2, lact=0.014, released=True, ntri=0.5 / 256 / 2),
        ),
        (
            "deml-3-3-released",
            "DeML(3,3) as released",
            {
                **grid(3, 3, **CURVES, gamma=35.0, view=0, lact=0.014, released=True, ntri=0.5 / 56 / 9),
                **hinge(3),
                **RELEASED_GATE,
                **RELEASED_ATTENTION,
            },
        ),
    ),
)

# Minutes are a step's, measured beside one of U512, times U512's minutes; of cells in between, interpolated.
ON_GROCERIES = Study(
    name="deml",
    title="DeML, its parts and their controls",
    build=build,
    defaults={**DEFAULTS, **HALVED},
    arms=planned(
        GROCERIES,
        ARMS,
        first("deml-2-1", 13),
        first("full-image-2 centre-zoom-2 random-zoom-2", 9),
        first("deml-1-4 deml-1-4-no-adversary deml-1-4-hinge", 12),
        first("heads-4", 5),
        first("deml-1-1", 7),
        first("u512", 6.6),
        first("u512-lact-tuned", 6),
        first("deml-1-1-no-lact", 5),
        first("u512-160", 9),
        first("u512-gamma-25 u512-gamma-35", 6.5),
        first("u512-settings-of-u512", 7.5),
        first("u512-settings-of-deml", 7),
        later("deml-1-8 deml-1-8-no-adversary deml-1-8-hinge", 21),
        later("deml-3-1", 20),
        later("full-image-3", 14),
        later("deml-3-3", 27),
        later("abe-8", 19),
        later("u512-lact-printed", 6.6),
        later("deml-1-2", 7),
        later("deml-2-2", 14),
        later("deml-2-4", 21),
        later("centre-zoom-3", 14),
        later("deml-2-1-shared-trunk", 13),
        later("heads-4-random-gates", 12),
        later("heads-8-random-gates", 21),
        later("deml-1-4-no-lact", 12),
        later("deml-2-1-no-lact", 13),
        later("u1024", 5),
        later("deml-1-8-separate-fc deml-1-8-no-adversary-separate-fc deml-1-8-gate-repulsion deml-1-8-mined", 21),
        later("deml-1-4-separate-fc deml-1-4-constant-reversal deml-1-4-plain-rival", 12),
        later("deml-1-4-centred-rival deml-1-4-released-gate", 12),
        later("deml-1-1-even-gates", 5),
        later("deml-1-4-even-gates", 12),
        later("deml-2-1-rows deml-2-1-degree deml-2-1-released-attention deml-2-1-5b deml-2-1-from-input", 13),
        later("deml-2-4-mean-maps", 21),
        later("deml-2-1-gamma-25 deml-2-1-gamma-35 deml-2-1-pairs deml-2-1-lact-printed deml-2-1-lact-released", 13),
        later("deml-3-3-released", 27),
        smoke="deml-1-1",
    ),
    tunings=(),
    tuned_by=baseline.ON_GROCERIES,
    live=(),
)
ON_GLYPHS = Study(
    name="glyph_deml",
    title="DeML, its parts and their controls, on glyphs",
    build=build,
    defaults=DEFAULTS,
    arms=planned(
        GLYPHS,
        ARMS,
        first("deml-2-1", 2.9, draws=10),
        first("deml-1-4", 2.4, draws=10),
        first("deml-1-1", 1.1, draws=10),
        first("u512 u512-lact-printed", 1.3, draws=10),
        first("deml-1-8 deml-1-8-no-adversary deml-1-8-hinge", 3.7, draws=10),
        first("deml-3-1", 4.5, draws=10),
        first("full-image-3", 2.4, draws=10),
        first("deml-3-3", 6.6, draws=10),
        first("abe-8", 4.3, draws=10),
        first("deml-1-1-no-lact", 1.1, draws=10),
        first("deml-2-1-no-lact", 2.9, draws=10),
        first("deml-1-8-no-lact", 3.7, draws=10),
        first("deml-1-4-no-adversary deml-1-4-hinge", 2.4),
        first("heads-4", 1.2),
        first("full-image-2 centre-zoom-2 random-zoom-2 object-zoom-2", 1.8),
        first("u512-lact-tuned", 1.3, draws=10),
        first("u64-lact-tuned", 1.1, draws=10),
        first("u512-long", 5.2, draws=10),
        first("deml-1-1-long", 4.6, draws=10),
        first("deml-1-8-long deml-1-8-no-adversary-long", 15, draws=10),
        first("deml-2-1-long", 12, draws=10),
        first("u512-lact-tuned-long", 5.2, draws=10),
        first("deml-1-1-frozen-statistics", 1.1, draws=10),
        first("deml-1-4-frozen-statistics", 2.4, draws=10),
        first("deml-1-8-frozen-statistics", 3.7, draws=10),
        later("deml-2-4", 5, draws=10),
        later("centre-zoom-3", 2.4, draws=10),
        later("heads-8-random-gates deml-1-8-gate-repulsion deml-1-8-mined", 3.7, draws=10),
        later("deml-1-16", 6.5, draws=10),
        later("deml-1-8-random-gates deml-1-8-cosine-penalty deml-1-8-abe-divergence", 3.7, draws=10),
        later("deml-1-2", 1.7),
        later("deml-2-2", 3.6),
        later("deml-2-1-shared-trunk", 2.9),
        later("heads-4-random-gates", 2.4),
        later("deml-1-8-separate-fc deml-1-8-no-adversary-separate-fc", 3.7),
        later("deml-1-4-separate-fc deml-1-4-constant-reversal deml-1-4-plain-rival", 2.4),
        later("deml-1-4-centred-rival deml-1-4-released-gate", 2.4),
        later("u512-64", 2),
        later("u1024", 1.1),
        later("deml-2-1-rows deml-2-1-degree deml-2-1-5b deml-2-1-released-attention deml-2-1-from-input", 2.9),
        later("deml-2-4-mean-maps", 5),
        later("deml-2-1-gamma-35 deml-2-1-lact-printed", 2.9),
        later("u512-gamma-35", 1.1),
        smoke="deml-1-8 deml-1-8-no-adversary deml-2-1",
    ),
    tunings=(),
    tuned_by=baseline.ON_GLYPHS,
    live=("deml-1-8", "deml-1-8-no-adversary"),
)
STUDIES = (ON_GROCERIES, ON_GLYPHS)
