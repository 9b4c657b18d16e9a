"""What a publication claims about learning algorithms: the table ``[publication]`` of a plan.

The figures of a claim are data; how each kind of claim is judged is in `calibrate.costs.claims`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from calibrate.store import Document

#: A number in a file that is above nothing and has an end.
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SameOrder(Document):
    """The order of the algorithms by energy is the same on every data set."""

    kind: Literal["same order"]
    text: str

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms that it names."""
        return ()


class Cheapest(Document):
    """One algorithm needs the least energy, and another is second.

    ``ratio`` : the least and the most that the energy of `second` is of that of `first`.
    """

    kind: Literal["cheapest"]
    text: str
    first: str
    second: str
    ratio: tuple[Positive, Positive]

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms that it names."""
        return self.first, self.second


class Dearest(Document):
    """One algorithm needs the most energy: on average about `ratio` times that of `over`."""

    kind: Literal["dearest"]
    text: str
    algorithm: str
    over: str
    ratio: Positive

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms that it names."""
        return self.algorithm, self.over


class MostAccurate(Document):
    """One algorithm is the most accurate on at least `data_sets` of the data sets."""

    kind: Literal["most accurate"]
    text: str
    algorithm: str
    data_sets: int = Field(ge=1)

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms that it names."""
        return (self.algorithm,)


class LessAccurate(Document):
    """The accuracy of one algorithm is about the share `by` below that of another, on average."""

    kind: Literal["less accurate"]
    text: str
    algorithm: str
    than: str
    by: float = Field(gt=0, lt=1)

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms that it names."""
        return self.algorithm, self.than


EnergyClaim = SameOrder | Cheapest | Dearest
AccuracyClaim = MostAccurate | LessAccurate


class Publication(Document):
    """A publication that compares learning algorithms on data sets, and its claims.

    ``source`` names it, ``note`` is what a reader must know of it. ``data`` maps the names of the
    data sets to their titles; it and ``algorithms`` are in the order in which they are shown.
    "About" a figure is taken as up to the factor ``about``, either way.
    """

    source: str
    note: str = ""
    data: dict[str, str] = Field(min_length=1)
    algorithms: tuple[str, ...] = Field(min_length=2)
    about: float = Field(2.0, gt=1, allow_inf_nan=False)
    energy: tuple[Annotated[EnergyClaim, Field(discriminator="kind")], ...] = ()
    accuracy: tuple[Annotated[AccuracyClaim, Field(discriminator="kind")], ...] = ()

    @model_validator(mode="after")
    def _algorithms_are_known(self) -> Publication:
        for claim in (*self.energy, *self.accuracy):
            if unknown := sorted({*claim.algorithms} - {*self.algorithms}):
                raise ValueError(
                    f"the claim {claim.text!r} names {unknown[0]}, which is not in 'algorithms'"
                )
        return self

    def title(self, data: str) -> str:
        """Return the title of a data set; of one that it does not know, the name."""
        return self.data.get(data, data)

    def place(self, data: str, algorithm: str) -> tuple[int, str, int]:
        """Return a key to sort by: its data sets and algorithms first, in its order."""
        names, known = list(self.data), list(self.algorithms)
        return (
            names.index(data) if data in names else len(names),
            data,
            known.index(algorithm) if algorithm in known else len(known),
        )
