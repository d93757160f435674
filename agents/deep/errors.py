"""What stops learning."""


class NotFiniteError(ValueError):
    """Something is NaN or infinite; the message says when, what, and which checkpoint to go back to."""


class CompileError(RuntimeError):
    """`torch.compile` could not make a program of a step; the message says what is missing."""
