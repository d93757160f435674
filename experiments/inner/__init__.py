"""Inner signals at the moment where they act, a scene an emotion; `study` has the command."""
