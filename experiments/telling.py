"""What the commands of the studies have in common: bad input is one sentence, Ctrl-C loses nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable


def tell(name: str, work: Callable[[], str]) -> int:
    """Print what `work` returns, and return the exit status.

    Args:
        name: of the command, in front of what went wrong.
        work: returns the text; a `ValueError` or `OSError` of it is bad input.

    Returns:
        0; 2 for bad input; 130 after Ctrl-C.
    """
    try:
        text = work()
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: interrupted; what was finished is saved\n")
        return 130
    sys.stdout.write(text)
    return 0
