"""`python -m emotional_ed.experiments.claims`."""

import sys

from emotional_ed.experiments.claims.study import main

if __name__ == "__main__":
    sys.exit(main())
