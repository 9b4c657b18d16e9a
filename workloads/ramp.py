"""Matrix products at levels of duty that go up and down again, each at least a second long.

python workloads/ramp.py --seconds 9 [--levels 5]

Five levels are 0, 0.25, 0.5, 0.75, 1 and back: nine steps, `level[1]` to `level[9]`. A step is a
whole number of duty periods: a part of one would shift its mean duty by up to 0.04.
"""

from calibrate.loads import Segment, load_parser, matrix_product, run_load, whole_periods


def main() -> None:
    """Divide the time into steps of equal length."""
    options = load_parser(__doc__, seconds=9.0, duty=False)
    options.add_argument("--levels", type=int, default=5, help="levels on the way up, 0 and 1 too")
    given = options.parse_args()
    if given.levels < 2:
        raise SystemExit(f"--levels {given.levels}: a ramp has at least 2 levels, rest and full.")
    up = [place / (given.levels - 1) for place in range(given.levels)]
    duties = [*up, *up[-2::-1]]
    step_s = whole_periods(given.seconds / len(duties))
    if step_s < 1:
        raise SystemExit(
            f"--seconds {given.seconds:g}: {len(duties)} steps of at least 1 s take "
            f"{len(duties)} s. Choose more seconds or fewer --levels."
        )
    segments = [Segment(f"level[{n}]", step_s, duty) for n, duty in enumerate(duties, 1)]
    run_load(matrix_product, "flop", segments, given)


if __name__ == "__main__":
    main()
