"""What stops learning."""


class NotFiniteError(ValueError):
    """Something is NaN or infinite; the message says when, what, and which checkpoint to go back to."""
