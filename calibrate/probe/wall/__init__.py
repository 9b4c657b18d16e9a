"""Wall and rack meters: small drivers, one request and one answer each.

    meter        what every driver gives
    web          HTTP, with limits
    plugs        Shelly, Tasmota, Home Assistant
    tapo         Tapo, by python-kasa
    ptd          the log of SPEC's PTDaemon
    boards       Redfish, IPMI DCMI
    instruments  SCPI and Modbus, over TCP or a serial line

A driver is made from settings and gives watts, and joules where the meter counts them. Standard
library only (but tapo): drivers run in recorders. Secrets are taken from environment variables
whose names the settings hold, so that no record has them.
"""

from calibrate.probe.wall.meter import Figures, Maker, Meter, Settings, makers, need, secret

__all__ = ["Figures", "Maker", "Meter", "Settings", "makers", "need", "secret"]
