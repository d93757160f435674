"""`python -m emotional_ed.experiments.disorders`."""

import sys

from emotional_ed.experiments.disorders.study import main

if __name__ == "__main__":
    sys.exit(main())
