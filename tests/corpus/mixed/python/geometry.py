"""Shapes and what can be measured of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

EPSILON = 1e-9


@dataclass(frozen=True)
class Circle:
    """Is a round shape."""

    radius: float

    # Asked for often.
    @property
    def area(self) -> float:
        """Returns the surface inside the circle."""
        return math.pi * self.radius**2

    def scaled(self, factor: float) -> Circle:
        return Circle(self.radius * factor)

    class Builder:
        def with_radius(self, radius: float) -> Circle:
            return Circle(radius)


@lru_cache(maxsize=128)
def distance_between(left: tuple[float, float], right: tuple[float, float]) -> float:
    """Returns the Euclidean distance of two points."""

    def square(value: float) -> float:
        return value * value

    return math.sqrt(square(left[0] - right[0]) + square(left[1] - right[1]))


async def fetch_polygon(name: str) -> list[tuple[float, float]]:
    return [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)] if name else []


is_round = lambda shape: isinstance(shape, Circle)  # noqa: E731
