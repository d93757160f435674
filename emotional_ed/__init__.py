"""emotional_ed: affective reinforcement learning on a core of nested associative memories."""

__version__ = "0.1.0"
