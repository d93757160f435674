"""A step of affect as one compiled program, or a sentence that says why it cannot be one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

import torch

from emotional_ed.agents.deep.errors import CompileError

Step = TypeVar("Step")
Result = TypeVar("Result")


def compiled_step(step: Callable[[Step], Result]) -> Callable[[Step], Result]:
    """Return `step`, to be compiled by `torch.compile` when it is called for the first time.

    A step of affect is some 150 operations on tensors of a few numbers; one by one each takes longer to call
    than to do. Compiled they are a few loops, called once. Numbers may differ by rounding. Where sizes change
    (recall begins another head) it is compiled anew, once or twice.

    Raises:
        CompileError: while stepping, there is no compiler for C++, or it fails.
    """
    program: Callable[[Step], Result] | None = None

    def run(given: Step) -> Result:
        nonlocal program
        if program is None:
            program = _program(step)
        try:
            return program(given)
        except RuntimeError as error:
            if not _is_about_compiling(error):
                raise
            why = " ".join(str(error).split()).split(" Set TORCH")[0]  # less what helps torch's developers
            raise CompileError(
                f"compiled: got True, but torch.compile fails here ({why}), expected a C++ compiler such as "
                "g++ that works; compiled=False does without"
            ) from error

    return run


def _program(step: Callable[[Step], Result]) -> Callable[[Step], Result]:
    with warnings.catch_warnings():  # torch deprecates what its own generator is written with
        warnings.filterwarnings("ignore", message=".*script_method.*", category=DeprecationWarning)
        return torch.compile(step, options={"size_asserts": False})


def _is_about_compiling(error: RuntimeError) -> bool:
    from torch._dynamo.exc import TorchDynamoException  # takes a second to import

    return isinstance(error, TorchDynamoException)
