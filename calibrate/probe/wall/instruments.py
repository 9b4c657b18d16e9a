"""Laboratory and rack instruments: SCPI queries and Modbus registers, over TCP or a serial line.

Sources: IEEE 488.2 (``*IDN?``) and the SCPI of Yokogawa's WT series (:NUMERIC:NORMAL:VALUE?);
Modbus Application Protocol 1.1b3 and Modbus Messaging on TCP/IP 1.0b.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

from calibrate.probe.wall.meter import Figures, Settings, need
from calibrate.quantity import finite_number

_TIMEOUT_S = 2.0
_WT = ":NUMERIC:NORMAL:VALUE? 1"


class Line(Protocol):
    """A way to an instrument."""

    def send(self, data: bytes) -> None:
        """Send."""

    def receive(self) -> bytes:
        """Return what has come, or raise OSError at the time limit."""

    def close(self) -> None:
        """Close."""


class Tcp:
    """A TCP connection that is kept."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._socket = socket.create_connection((host, port), timeout_s)

    def send(self, data: bytes) -> None:
        """See `Line`."""
        self._socket.sendall(data)

    def receive(self) -> bytes:
        """See `Line`."""
        data = self._socket.recv(4096)
        if not data:
            raise OSError("the instrument closed the connection")
        return data

    def close(self) -> None:
        """See `Line`."""
        self._socket.close()


class Serial:
    """A device file, such as /dev/ttyUSB0 or /dev/usbtmc0; set its speed beforehand (stty)."""

    def __init__(self, path: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._file = os.open(path, os.O_RDWR | os.O_NOCTTY)

    def send(self, data: bytes) -> None:
        """See `Line`."""
        os.write(self._file, data)

    def receive(self) -> bytes:
        """See `Line`."""
        if not select.select([self._file], [], [], self._timeout_s)[0]:
            raise OSError(f"no answer within {self._timeout_s:g} s")
        return os.read(self._file, 4096)

    def close(self) -> None:
        """See `Line`."""
        os.close(self._file)


def line(settings: Settings, port: int) -> Line:
    """Open ``tcp://HOST[:PORT]`` or a device file."""
    address = need(settings, "address")
    timeout_s = float(settings.get("timeout_s", _TIMEOUT_S))
    parts = urlsplit(address)
    if parts.scheme == "tcp" and parts.hostname:
        return Tcp(parts.hostname, parts.port or port, timeout_s)
    if address.startswith("/"):
        return Serial(address, timeout_s)
    raise ValueError(f"wall.address is {address!r}; write tcp://192.168.1.50 or /dev/ttyUSB0")


class Scpi:
    """An instrument that answers ``query`` (Yokogawa's first value unless given) with watts."""

    joules_step: float | None = None

    def __init__(self, settings: Settings) -> None:
        self._line = line(settings, 5025)
        self._query = settings.get("query", _WT)
        self._identity = self._exchange("*IDN?")

    def _exchange(self, query: str) -> str:
        self._line.send(query.encode("ascii") + b"\n")
        answer = b""
        until_s = time.monotonic() + 2 * _TIMEOUT_S
        while not answer.endswith(b"\n"):
            if time.monotonic() > until_s or len(answer) > 1 << 16:
                raise OSError(f"the answer to {query} does not end")
            answer += self._line.receive()
        return answer.decode("ascii", "replace").strip()

    def ask(self) -> Figures:
        """See `Meter`. Instruments say 9.9E+37 for no value (SCPI-99, 7.2.1.5)."""
        value = finite_number(
            self._exchange(self._query).split(",")[0], f"the answer to {self._query}"
        )
        return Figures(value)

    def about(self) -> Mapping[str, str]:
        """See `Meter`."""
        return {"meter": self._identity}

    def close(self) -> None:
        """See `Meter`."""
        self._line.close()


class Modbus:
    """Registers of a rack meter over Modbus TCP.

    ``register`` of the power; ``energy_register`` where joules are counted; ``unit`` (1),
    ``function`` (3 holding, 4 input), ``type`` (float32, int32, uint32, int16, uint16), ``scale``
    to watts and ``energy_scale`` to joules (3600 where the register holds Wh).
    """

    TYPES: Mapping[str, str] = {
        "float32": ">f", "int32": ">i", "uint32": ">I", "int16": ">h", "uint16": ">H",
    }  # fmt: skip

    def __init__(self, settings: Settings) -> None:
        self._register = int(need(settings, "register"), 0)
        self._energy = settings.get("energy_register")
        self._unit, self._function = int(settings.get("unit", 1)), int(settings.get("function", 3))
        self._scale = float(settings.get("scale", 1.0))
        self._energy_scale = float(settings.get("energy_scale", 1.0))
        kind = settings.get("type", "float32")
        if kind not in self.TYPES:
            raise ValueError(f"wall.type is {kind!r}; it is one of {', '.join(self.TYPES)}")
        self._form = self.TYPES[kind]
        self.joules_step = self._energy_scale if self._energy and kind != "float32" else None
        self._line = line(settings, 502)
        self._number = 0

    def _read(self, register: int) -> float:
        """Return the value at a register."""
        self._number = (self._number + 1) & 0xFFFF
        words = struct.calcsize(self._form) // 2
        request = struct.pack(
            ">HHHBBHH", self._number, 0, 6, self._unit, self._function, register, words
        )
        self._line.send(request)
        answer = b""
        while len(answer) < 9 or len(answer) < 6 + struct.unpack(">H", answer[4:6])[0]:
            answer += self._line.receive()
        number_, protocol, _, unit, function = struct.unpack(">HHHBB", answer[:8])
        if (number_, protocol, unit) != (self._number, 0, self._unit):
            raise ValueError("the answer is to another request")
        if function == self._function | 0x80:
            raise OSError(f"register {register} is refused (Modbus exception {answer[8]})")
        if function != self._function or answer[8] != 2 * words or len(answer) != 9 + 2 * words:
            raise ValueError(f"the answer for register {register} makes no sense")
        return finite_number(struct.unpack(self._form, answer[9:])[0], f"register {register}")

    def ask(self) -> Figures:
        """See `Meter`."""
        watts = self._read(self._register) * self._scale
        if self._energy is None:
            return Figures(watts)
        return Figures(watts, self._read(int(self._energy, 0)) * self._energy_scale)

    def about(self) -> Mapping[str, str]:
        """See `Meter`."""
        return {"meter": f"Modbus register {self._register}"}

    def close(self) -> None:
        """See `Meter`."""
        self._line.close()
