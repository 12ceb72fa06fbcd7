"""Write synthetic objects as Part 10 files: `python -m gateway.demo.synthetic --out DIR`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.demo.synthetic import Sizes, rt_kinds, write_set


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, write the files, print how many and how large."""
    default = Sizes()
    parser = argparse.ArgumentParser(prog="python -m gateway.demo.synthetic", description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where to write; made if absent"
    )
    parser.add_argument("--patients", type=int, default=1, metavar="N")
    parser.add_argument("--fractions", type=int, default=1, metavar="N", help="fractions per patient")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="number of the first patient")
    parser.add_argument("--kind", action="append", choices=rt_kinds(), help="only this; may be repeated")
    parser.add_argument("--no-planning", action="store_true", help="leave out CT, structures, plan, dose")
    parser.add_argument("--cbct-slices", type=int, default=default.cbct_slices, metavar="N")
    parser.add_argument("--ct-slices", type=int, default=default.ct_slices, metavar="N")
    parser.add_argument("--matrix", type=int, default=default.matrix, metavar="N", help="CT rows and columns")
    parser.add_argument(
        "--segments", type=int, default=default.segments, metavar="N", help="control points per beam"
    )
    given = parser.parse_args(arguments)
    paths = write_set(
        given.out,
        patients=given.patients,
        fractions=given.fractions,
        planning=not given.no_planning,
        kinds=given.kind,
        sizes=Sizes(
            segments=given.segments,
            ct_slices=given.ct_slices,
            cbct_slices=given.cbct_slices,
            matrix=given.matrix,
        ),
        first_seed=given.seed,
    )
    total = sum(path.stat().st_size for path in paths)
    sys.stdout.write(f"{len(paths)} files, {total / 1e6:.1f} MB, in {given.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
