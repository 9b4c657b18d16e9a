"""What the Linux kernel tells; standard library only.

cpus         processors, sockets, and lists of CPUs
perf_event   performance counters
privileges   what programs may read here, and who could change what crosswatt runs
processes    processes and their threads, and how one ends with its parent
sysfs        the kernel's folders
"""
