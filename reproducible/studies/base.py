"""What a study is: its arms, its tuning, the runs each profile asks for. Declarations only; imports no torch.

A study is a method on a benchmark. Every arm is a set of named parameters that the study's ``build`` turns into a run
configuration. Parameters are resolved in this order, the later winning: what the benchmark fixes, the study's defaults,
the values tuned for the baseline, the arm's own, the values tuned for the arm. Tuned values are read from the committed
records of the trials, never typed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from reproducible import records
from reproducible.config import EvaluationConfig, RunConfig
from reproducible.resources import UserError, check_keys, nearest_name
from reproducible.studies.arms import Arm, Tuning
from reproducible.studies.benchmarks import Params

PROFILES = records.PROFILES
TIERS = ("A", "B", "AB")
TUNING_DRAW = 100  # a class draw of its own: no verdict's draw trains on just these classes


@dataclass(frozen=True)
class Study:
    """One study: usually one table of one document.

    Attributes:
        name: file name of its records, and what claims.yaml calls it.
        title: as pages call it.
        build: parameters to run configuration (without draw, seed and profile).
        defaults: parameters of the method, which may also change what the benchmark fixes, that hold unless something
            changes them.
        arms, tunings: see there.
        live: the decisive pair (treatment, control) that profile quick trains on the reader's machine, on draw 0; empty
            where there is none.
        live_steps: for so many steps, at which the recorded curves have a look at the test classes too.
        trial_steps: length of the trials of a tuning that does not say its own.
        profile: the one that runs its arms and writes its records: ``standard``, or ``large`` where the data sets do
            not ship.
        tuned_by: the study whose tunings its arms take; None: its own.
    """

    name: str
    title: str
    build: Callable[[Params], RunConfig]
    defaults: Params
    arms: tuple[Arm, ...]
    tunings: tuple[Tuning, ...]
    live: tuple[str, str] | tuple[()]
    live_steps: int = 100
    trial_steps: int = 150
    profile: str = "standard"
    tuned_by: Study | None = None

    def arm(self, name: str) -> Arm:
        """The arm of that name.

        Raises:
            UserError: if there is none, with the list of arms.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise UserError(f"Study {self.name!r} has no arm {name!r}.{nearest_name(name, [a.name for a in self.arms])}")

    @property
    def smoke_arms(self) -> tuple[Arm, ...]:
        """What profile smoke runs."""
        return tuple(arm for arm in self.arms if arm.ships and arm.smoke)

    @property
    def tuning_records(self) -> str:
        """Name of the file that holds the records of the trials."""
        return f"{(self.tuned_by or self).name}_tuning"

    def tuning(self, name: str) -> Tuning:
        """The tuning of that name, the study's own or of the study that tunes for it."""
        return next(tuning for tuning in (self.tuned_by or self).tunings if tuning.name == name)

    def params(self, arm: Arm, untuned: bool = False) -> dict[str, Any]:
        """All parameters of an arm, tuned ones included.

        Args:
            arm: which arm.
            untuned: take the first candidate of each tuning; profile smoke does, which measures nothing.

        Raises:
            UserError: if the trials it depends on have not been run, or a parameter is none of the study's, with the
                nearest one.
        """
        resolved = {**arm.fixed, **self.defaults}
        own = dict(arm.params)
        for name in arm.tuned:
            tuning = self.tuning(name)
            best = tuning.candidates[0] if untuned else self.best(name)
            (own if tuning.arm == arm.name else resolved).update(best)
        return self._checked(resolved | own, arm, arm.name)

    def config(self, arm: Arm | str, draw: int, seed: int | None = None, profile: str = "") -> RunConfig:
        """The configuration of one run.

        Args:
            arm: which arm, or its name.
            draw: class draw.
            seed: None: the number of the draw.
            profile: smoke, quick (for an arm of the live pair) or the study's own, which is the default.

        Raises:
            UserError: for another profile or arm.
        """
        arm = self.arm(arm) if isinstance(arm, str) else arm
        profile = self._known(profile or self.profile)
        if profile == "quick" and arm.name not in self.live:
            pair = f"only {' and '.join(self.live)}" if self.live else "nothing"
            raise UserError(f"Study {self.name!r} trains {pair} at profile 'quick', not {arm.name!r}.")
        config = self.build(self.params(arm, untuned=profile == "smoke"))
        data = replace(config.data, draw=draw)
        config = replace(config, study=self.name, arm=arm.name, data=data, seed=draw if seed is None else seed)
        if profile == "quick":
            return _shortened(config, self.live_steps)
        return _smoke(config) if profile == "smoke" else config

    def _known(self, profile: str) -> str:
        """The profile, where the study has runs of it."""
        if profile not in PROFILES:
            raise UserError(f"There is no profile {profile!r}.{nearest_name(profile, PROFILES)}")
        if profile not in ("smoke", "quick", self.profile):
            raise UserError(f"Study {self.name!r} has no runs of profile {profile!r}; its own is {self.profile!r}.")
        return profile

    def runs(self, profile: str, tiers: str = "A") -> list[RunConfig]:
        """The runs of a profile, most urgent first: the decisive pair, draw by draw; other arms; the noise floor.

        Raises:
            UserError: if it is neither smoke nor quick nor the study's own profile; for tiers other than A, B and AB.
        """
        if tiers not in TIERS:
            raise UserError(f"There are no tiers {tiers!r}.{nearest_name(tiers, TIERS)}")
        if self._known(profile) == "smoke":
            return [self.config(arm, 0, profile=profile) for arm in self.smoke_arms]
        if profile == "quick":
            return [self.config(name, 0, profile=profile) for name in self.live]
        arms = [arm for arm in self.arms if arm.tier in tiers]
        decisive = [arm for arm in arms if arm.name in self.live]
        others = [arm for arm in arms if arm.name not in self.live]
        paired = [
            self.config(arm, draw)
            for group in (decisive, others)
            for draw in range(max((arm.draws for arm in group), default=0))
            for arm in group
            if draw < arm.draws
        ]
        noise = [self.config(arm, 0, seed) for arm in arms for seed in range(1, arm.extra_seeds + 1)]
        return paired + noise

    def trials(self, tuning: Tuning) -> list[RunConfig]:
        """The trials of a tuning: on a draw of their own, without a look at the test classes."""
        arm = self.arm(tuning.arm)
        tuned = tuple(name for name in arm.tuned if name != tuning.name)
        params = self.params(replace(arm, tuned=tuned))
        made = []
        for number, candidate in enumerate(tuning.candidates):
            config = self.build(self._checked(params | dict(candidate), arm, f"{tuning.name}-{number}"))
            draw = TUNING_DRAW if config.data.split == "half" else 0  # other splits have one division
            data = replace(config.data, draw=draw)
            looks = config.evaluation
            evaluation = EvaluationConfig(every=looks.every, start=looks.start, test=False)
            config = replace(config, data=data, evaluation=evaluation, steps=tuning.steps or self.trial_steps)
            made.append(replace(config, study=self.tuning_records, arm=f"{tuning.name}-{number}"))
        return made

    def _checked(self, params: dict[str, Any], arm: Arm, name: str) -> dict[str, Any]:
        """The parameters of an arm or a trial, all of them the benchmark's or the study's."""
        check_keys(params, {**arm.fixed, **self.defaults}, (), f"{self.name}/{name}")
        return params

    @property
    def ready(self) -> bool:
        """Whether the trials that the decisive pair depends on are in the records."""
        try:
            return all(self.params(self.arm(name)) for name in self.live)
        except UserError:
            return False

    def best(self, tuning: str) -> Params:
        """The candidate whose trial reached the highest validation MAP@R within the steps that its arm runs.

        Raises:
            UserError: if its trials are not all in the records.
        """
        declared = self.tuning(tuning)
        owner = self.tuned_by or self
        arm = owner.arm(declared.arm)
        steps = {**arm.fixed, **owner.defaults, **arm.params}["steps"]
        looks = _looks(self.tuning_records, records.state_of(self.tuning_records))
        scores = {trial: max(score for step, score in curve if step <= steps) for trial, curve in looks.items()}
        names = [f"{tuning}-{number}" for number in range(len(declared.candidates))]
        missing = [name for name in names if name not in scores]
        if missing:
            raise UserError(f"Trial {missing[0]} has not been run; first: reproducible study tune {self.name}")
        return declared.candidates[max(range(len(names)), key=lambda number: scores[names[number]])]


@lru_cache(maxsize=64)
def _looks(name: str, state: Hashable) -> dict[str, list[tuple[int, float]]]:
    """Step and validation MAP@R of each look of each committed trial; ``state`` is that of the records."""
    return {r["arm"]: [(p["step"], p["validation"]["map_at_r"]) for p in r["curve"]] for r in records.load(name)}


def _shortened(config: RunConfig, steps: int) -> RunConfig:
    """The first steps of a run: the same batches, crops and rates, with one look at the end."""
    evaluation = replace(config.evaluation, every=steps, test_every=steps, seen_every=0, start=False, measures=())
    return replace(config, evaluation=evaluation, steps=steps)


def _smoke(config: RunConfig) -> RunConfig:
    """The same code path in seconds: few classes, few small images, few steps."""
    few = {"limit_classes": 6, "limit_images": 3, "classes_per_batch": 4, "images_per_class": 2}
    size, view = min(config.data.input_size, 64), min(config.data.view_size, 80)
    data = replace(config.data, input_size=size, view_size=view, **few)
    evaluation = replace(config.evaluation, every=2, test_every=2, seen_every=2, seen_images=3)
    return replace(config, data=data, evaluation=evaluation, steps=min(config.steps, 2), precision="fp32")
