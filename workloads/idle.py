"""Nothing at all, for a while: what the machine and the probes themselves use.

python workloads/idle.py --seconds 5
"""

import time

from calibrate.loads import Phase, Stage, parser


def main() -> None:
    """Sleep."""
    given = parser(__doc__).parse_args()
    stage = Stage(given.marks)
    stage.ready()
    begin = time.monotonic_ns()
    time.sleep(given.seconds)
    stage.phase(Phase("idle", begin, time.monotonic_ns()))


if __name__ == "__main__":
    main()
