"""Run cases FIRST to LAST of a target in a process of its own, with little memory, and report each by a line.

    python -m fuzz.child TARGET FOLDER FIRST LAST

``begin N`` stands before a case, so that the parent knows the last one; ``fault N …`` after one that raised
anything but Govor's own errors; ``peak N`` gives the memory at the end, in MB.
"""

from __future__ import annotations

import os
import resource
import sys
import traceback
from pathlib import Path

from fuzz.targets import TARGETS
from govor.errors import GovorError

# Beyond what the libraries take; a case that asks for more fails where it would have swamped the machine.
_MORE_BYTES = 2 << 30


def main() -> None:
    target, folder, first, last = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    run = TARGETS[target](folder)
    # What libraries print goes elsewhere than the report.
    report = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MORE_BYTES, used + _MORE_BYTES))
    for seed in range(first, last):
        print("begin", seed, file=report)
        try:
            run(seed)
        except GovorError:
            pass
        except Exception:
            print("fault", seed, repr(traceback.format_exc()), file=report)
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in status if line.startswith("VmHWM"))
    print("peak", int(peak.split()[1]) // 1000, file=report)


if __name__ == "__main__":
    main()
