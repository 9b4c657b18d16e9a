r"""A wall or rack meter: what the whole machine takes from the socket.

Its kind and address are settings; its accuracy and certificate, where they are known, go into the
record, and the accuracy into the uncertainty of every factor for which it is the reference:

    crosswatt run --probe wall --probe rapl \
        --set wall.kind=shelly --set wall.address=http://192.168.1.40 --set wall.accuracy=1%

Power is what is compared; the meter's own count, which comes in coarse steps, stands beside it.
"""

from collections.abc import Mapping

from calibrate import About, Domain, Probe, Target, Unavailable
from calibrate.probe.wall import Figures, makers

#: Settings that say what is known of the meter, and are only kept.
_KEPT = ("accuracy", "resolution", "certificate", "serial", "position")


class Wall(Probe):
    """Power at the socket."""

    name = "wall"
    period_s = 0.5
    default = False
    reopens = True
    summary = "a wall or rack meter: " + ", ".join(makers())
    about = About(
        scope="node: what the socket gives",
        basis="measured",
        unit="W, Wh, kWh; by kind",
        granularity="0.1 to 10 s, by kind",
        platforms="any",
        tested="documented formats; not tried on hardware",
    )

    def open(self, target: Target) -> None:
        """Connect, and ask once."""
        settings = target.options
        kind, known = settings.get("kind", ""), makers()
        if kind not in known:
            raise Unavailable(
                f"there is no kind of wall meter called {kind!r}" if kind else "none is named",
                f"add --set wall.kind=KIND ({', '.join(known)}) and --set wall.address=...",
            )
        self._settings = {key: settings[key] for key in _KEPT if key in settings}
        self._kind = kind
        try:
            self._u_relative = _accuracy(settings.get("accuracy"))
            self._meter = known[kind](settings)
            self._first = self._meter.ask()
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"the wall meter: {error}", "look at wall.kind and wall.address, and try again"
            ) from None

    def domains(self) -> list[Domain]:
        """Power, and energy where the meter counts it."""
        power = Domain("node", "node", "power", "measured", "wall", None, None, self._u_relative)
        step = self._meter.joules_step
        count = Domain(
            "node-count", "node", "counter", "measured", "wall-count", step, None, self._u_relative
        )
        return [power] if self._first.joules is None else [power, count]

    def read(self) -> Mapping[str, float]:
        """Watts now, and joules so far."""
        told: Figures = self._meter.ask()
        values = {"node": told.watts}
        return values if told.joules is None else values | {"node-count": told.joules}

    def close(self) -> None:
        """Disconnect."""
        self._meter.close()

    def facts(self) -> Mapping[str, str]:
        """What it is, and what is known of it."""
        return {"mode": self._kind} | dict(self._meter.about()) | self._settings


def _accuracy(text: str | None) -> float | None:
    """Return the standard uncertainty of a class: limits of a rectangle (JCGM 100, 4.3.7)."""
    if text is None:
        return None
    share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= share < 1:
        raise ValueError(f"wall.accuracy is {text!r}; write it as 1%")
    return share / 3**0.5
