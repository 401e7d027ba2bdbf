"""Property tests of what is read from outside: a few examples in every run of the tests, many in the nightly one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

MANY = 2000
"""Examples of each in the nightly run."""


def few_and_many(few: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Runs a property with so many examples, and marked slow with :data:`MANY`."""

    def twice(check: Callable[..., None]) -> Callable[..., None]:
        unchecked = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

        @pytest.mark.parametrize("examples", [few, pytest.param(MANY, marks=pytest.mark.slow)])
        def run(examples: int) -> None:
            settings(max_examples=examples, deadline=None, suppress_health_check=unchecked)(check)()

        run.__name__, run.__doc__ = check.__name__, check.__doc__
        return run

    return twice
