"""`python -m emotional_ed.experiments.inner`."""

import sys

from emotional_ed.experiments.inner.study import main

if __name__ == "__main__":
    sys.exit(main())
