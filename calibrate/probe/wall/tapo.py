"""A Tapo or Kasa plug in the local network, by python-kasa; nothing passes through the maker.

The account's name is the setting ``user``, its password in the variable that ``password_env``
names. Power comes in milliwatts, newer about once a second.
Source: python-kasa 0.12, `Discover.discover_single` and `Module.Energy`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from calibrate.probe.wall.meter import Figures, Settings, need, secret
from calibrate.quantity import J_PER_KWH, finite_number
from calibrate.requirement import pip_install

_Value = TypeVar("_Value")


class Tapo:
    """A plug that measures, at ``address`` (a host, or http://HOST)."""

    joules_step: float | None = None

    def __init__(self, settings: Settings) -> None:
        try:
            from kasa import Discover, Module
        except ImportError as error:
            raise ValueError(f"{error}; type: {pip_install('python-kasa')}") from None
        self._energy: Any = Module.Energy
        self._limit_s = float(settings.get("timeout_s", "2"))
        host = need(settings, "address").removeprefix("http://").strip("/")
        self._loop = asyncio.new_event_loop()
        try:
            self._device: Any = self._wait(
                Discover.discover_single(
                    host, username=settings.get("user"), password=secret(settings, "password")
                )
            )
            if self._device is None:
                raise ValueError(f"nothing answers as a plug at {host}")
            self._wait(self._device.update())
            if self._energy not in self._device.modules:
                raise ValueError(f"the plug {self._device.model} measures no energy")
        except BaseException:
            self._loop.close()
            raise

    def _wait(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        """Wait for an answer; whatever goes wrong with the plug is an OSError."""
        try:
            # The first handshake is four requests.
            return self._loop.run_until_complete(asyncio.wait_for(work, 4 * self._limit_s))
        except (ValueError, OSError):
            raise
        except Exception as error:  # python-kasa has exceptions of its own for every refusal
            raise OSError(f"{type(error).__name__}: {error}") from None

    def ask(self) -> Figures:
        """See `Meter`."""
        self._wait(self._device.update())
        energy = self._device.modules[self._energy]
        watts = finite_number(energy.current_consumption, "current_consumption")
        total = getattr(energy, "consumption_total", None)
        return Figures(watts, None if total is None else finite_number(total, "total") * J_PER_KWH)

    def about(self) -> Mapping[str, str]:
        """See `Meter`."""
        info = getattr(self._device, "hw_info", None) or {}
        return {
            "meter": f"Tapo {self._device.model}",
            "firmware": str(info.get("sw_ver", "unknown")),
        }

    def close(self) -> None:
        """See `Meter`."""
        try:
            self._wait(self._device.disconnect())
        finally:
            self._loop.close()
