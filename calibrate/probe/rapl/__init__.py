"""RAPL energy counters of Intel and AMD processors, read in one of three ways.

    choice    chooses the best of them that works
    powercap  files of the kernel's powercap driver: microjoules, units and scopes settled by it
    perf      the perf_event PMU `power`: 64 bits, no wraps; for who may use perf on whole CPUs
    msr       the processor's own registers: 32 bits of energy units; for root with the msr module
    guard     what a counter may say next

All give the same domains and joules. Standard library only: ways are used in recorders.
"""

from calibrate.probe.rapl.choice import Way, first, has_zones, ways

__all__ = ["Way", "first", "has_zones", "ways"]
