"""Bursts of matrix products that are shorter than the interval of many meters, with rest between.

python workloads/bursts.py --seconds 5 [--burst-s 0.05] [--every-s 0.5]
"""

from calibrate.loads import Segment, load_parser, matrix_product, run_load


def main() -> None:
    """Run whole intervals only: a burst, then rest."""
    options = load_parser(__doc__, duty=False)
    options.add_argument("--burst-s", type=float, default=0.05, help="seconds of one burst")
    options.add_argument("--every-s", type=float, default=0.5, help="seconds from burst to burst")
    given = options.parse_args()
    if not 0 < given.burst_s < given.every_s:
        raise SystemExit(
            f"--burst-s {given.burst_s:g} --every-s {given.every_s:g}: a burst is longer than 0 "
            "and shorter than the time from one to the next."
        )
    count = max(1, round(given.seconds / given.every_s))
    rest = given.every_s - given.burst_s
    segments = [Segment("burst", given.burst_s), Segment("rest", rest, 0.0)] * count
    run_load(matrix_product, "flop", segments, given)


if __name__ == "__main__":
    main()
