"""What does `convsight ...` do? Parse, hand over to one command, and turn errors into one clear line.

Nothing here imports torch: `convsight --help` answers at once, and a command imports what it needs.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from convsight.cli.parser import build_parser
from convsight.errors import ConvsightError

INTERRUPTED = 130  # what shells report for Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0 done, 1 failed, 2 wrong arguments, 130 interrupted)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    given, rest = parser.parse_known_args(arguments)
    if rest and not getattr(given, "takes_knobs", False):
        parser.error(f"unrecognised arguments: {' '.join(rest)}")
    try:
        return given.run(given, rest) or 0
    except ConvsightError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt as stop:
        return _fail(str(stop) or "interrupted; nothing was left half-written", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOENT):
            raise
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror}. What was written before is unharmed", 1)


def _fail(message: str, status: int) -> int:
    sys.stdout.flush()
    print(f"convsight: {message}", file=sys.stderr)
    return status


def run() -> None:
    """The console script."""
    # Waiting threads should sleep: where other programs run, busy waiting makes everything several times
    # slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(main())
