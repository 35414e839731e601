"""One figure, its budget, and a table of them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """A measured value. `budget` is its most (or, with `at_least`, its least); a peer's figure has none."""

    name: str
    value: float
    unit: str
    budget: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def kept(self) -> bool | None:
        if self.budget is None:
            return None
        return self.value >= self.budget if self.at_least else self.value <= self.budget

    def target(self) -> str:
        if self.budget is None:
            return ""
        return f"{'at least' if self.at_least else 'at most'} {self.budget:,g} {self.unit}"


def middle(samples: list[float]) -> float:
    return median(samples)


def low(samples: list[float]) -> float:
    """The lower quartile, for what other work on the machine can only make longer."""
    return quantiles(samples)[0]


def show(figures: list[Figure]) -> None:
    table = Table(title="FaaSBridge benchmarks", title_justify="left")
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_column("target", justify="right")
    table.add_column("kept", justify="center")
    table.add_column("how")
    for figure in figures:
        kept = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[figure.kept]
        digits = 0 if figure.value >= 100 else 2
        table.add_row(figure.name, f"{figure.value:,.{digits}f} {figure.unit}", figure.target(), kept, figure.note)
    Console(width=None).print(table)
