"""What can go wrong with files."""


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, of another version, or does not fit the environment."""
