"""Arms, how they are tuned, and the plan by which a benchmark runs them. Declarations only.

A method declares each arm once, by name, title and parameters; a plan says, for one benchmark, which of them are run,
in which order, on how many class draws, and what a run costs::

    planned(GLYPHS, ARMS, first("u512 u512-lact-tuned", 1.3, draws=10), later("u1024", 1.1))
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from reproducible.resources import UserError, nearest_name
from reproducible.studies.benchmarks import Benchmark, Params


@dataclass(frozen=True)
class Arm:
    """One line of a study's table.

    Attributes:
        name: as claims.yaml and the records call it.
        title: as tables and figures call it.
        params: what sets it apart.
        tuned: names of the tunings whose best candidate it takes, in order.
        tier: A is run and committed with the study, B is declared with its cost and shown as not run until it is.
        draws: class draws that the study's own profile runs; the seed of each is its number.
        extra_seeds: further seeds of draw 0, for the noise floor.
        minutes: measured cost of one run, in minutes of one core with AVX2 and no bf16 units.
        fixed: what its benchmark fixes.
        ships: whether its data set ships with the package; profile smoke runs no other arm.
        smoke: whether profile smoke runs it; False where other arms go through the same code.
    """

    name: str
    title: str
    params: Params = field(default_factory=dict)
    tuned: tuple[str, ...] = ()
    tier: str = "A"
    draws: int = 5
    extra_seeds: int = 0
    minutes: float = 0.0
    fixed: Params = field(default_factory=dict)
    ships: bool = True
    smoke: bool = True


@dataclass(frozen=True)
class Tuning:
    """Trials on the validation classes: a baseline has at most six, an arm that differs by a switch three.

    Attributes:
        name: what arms refer to.
        arm: the arm whose parameters the candidates change.
        candidates: parameters of each trial.
        steps: length of its trials; 0: that of the study's.
    """

    name: str
    arm: str
    candidates: tuple[Params, ...]
    steps: int = 0


@dataclass(frozen=True)
class Plan:
    """How some arms are run on a benchmark.

    Attributes:
        names: of the arms, divided by spaces.
        minutes, tier, extra_seeds: as of :class:`Arm`.
        draws: as of :class:`Arm`; 0: as many as the benchmark has.
        params: of all of them, beside their own.
    """

    names: str
    minutes: float
    tier: str
    draws: int = 0
    extra_seeds: int = 0
    params: Params = field(default_factory=dict)


def first(names: str, minutes: float, draws: int = 0, extra_seeds: int = 0, **params: object) -> Plan:
    """A plan for arms of tier A."""
    return Plan(names, minutes, "A", draws, extra_seeds, params)


def later(names: str, minutes: float, draws: int = 0) -> Plan:
    """A plan for arms of tier B."""
    return Plan(names, minutes, "B", draws)


def planned(benchmark: Benchmark, arms: Iterable[Arm], *plans: Plan, smoke: str | None = None) -> tuple[Arm, ...]:
    """The arms that a study runs on a benchmark, in the order of its plans.

    Args:
        benchmark: on which.
        arms: what the method declares.
        plans: which of them, and how.
        smoke: names of those that profile smoke runs, divided by spaces; None: all.

    Raises:
        UserError: for a name that the method does not declare, with the nearest one.
    """
    known = {arm.name: arm for arm in arms}
    found = []
    for plan in plans:
        for name in plan.names.split():
            if name not in known:
                raise UserError(f"A plan for {benchmark.data} names the arm {name!r}.{nearest_name(name, known)}")
            arm = replace(
                known[name],
                params={**known[name].params, **plan.params},
                tier=plan.tier,
                draws=plan.draws or benchmark.draws,
                extra_seeds=plan.extra_seeds,
                minutes=plan.minutes,
                fixed=benchmark.params,
                ships=benchmark.ships,
                smoke=smoke is None or name in smoke.split(),
            )
            found.append(arm)
    return tuple(found)
