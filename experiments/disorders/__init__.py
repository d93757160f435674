"""Disorders as dose-response curves: what too much of each emotion does; `study` has the command."""
