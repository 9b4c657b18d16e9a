"""Matrix products whose duty jumps at random, by a seed: `step[1]`, `step[2]` and so on.

python workloads/steps.py --seconds 10 [--step-s 1.0] [--seed 0]

The duties are independent and uniform from 0 to 1, in hundredths. A step is a whole number of duty
periods and at least a second long.
"""

import random

from calibrate.loads import Segment, load_parser, matrix_product, run_load, whole_periods


def main() -> None:
    """Run as many steps as the time holds."""
    options = load_parser(__doc__, seconds=10.0, duty=False)
    options.add_argument("--step-s", type=float, default=1.0, help="seconds of one step")
    given = options.parse_args()
    if given.step_s < 1:
        raise SystemExit(f"--step-s {given.step_s:g}: a step is at least 1 s long.")
    step_s = whole_periods(given.step_s)
    count = max(1, round(given.seconds / step_s))
    draw = random.Random(given.seed)  # noqa: S311 - a load, not a secret
    duties = [draw.randint(0, 100) / 100 for _ in range(count)]
    segments = [Segment(f"step[{n}]", step_s, duty) for n, duty in enumerate(duties, 1)]
    run_load(matrix_product, "flop", segments, given)


if __name__ == "__main__":
    main()
