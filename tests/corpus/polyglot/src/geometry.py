"""Shapes and their areas."""

import math


class Circle:
    """A round shape."""

    def __init__(self, radius: float) -> None:
        self.radius = radius

    def area(self) -> float:
        """Returns the surface of the circle."""
        return math.pi * self.radius**2


def total_area(shapes: list[Circle]) -> float:
    return sum(shape.area() for shape in shapes)
