"""A step of affect as one compiled program, or a sentence that says why it cannot be one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from types import FunctionType, MethodType
from typing import Any, TypeVar

import torch

from emotional_ed.agents.deep.errors import CompileError
from emotional_ed.memory import QuickModule

Step = TypeVar("Step")
Result = TypeVar("Result")


def compiled_step(step: Callable[[Step], Result], *parts: QuickModule) -> Callable[[Step], Result]:
    """Return `step`, to be compiled by `torch.compile` when it is called for the first time.

    A step of affect is some 150 operations on tensors of a few numbers; one by one each takes longer to call
    than to do. Compiled they are a few loops, called once. Numbers may differ by rounding. Where what is
    given has other sizes (recall begins another head) it is compiled anew, once or twice.

    Args:
        step: a method, whose owner changes in nothing but the numbers in its tensors; its second argument,
            named `step`, may change in everything.
        *parts: modules that the step works with.

    Raises:
        CompileError: while stepping, there is no compiler for C++, or it fails.
    """
    program: Callable[[Step], Result] | None = None

    def run(given: Step) -> Result:
        nonlocal program
        if program is None:
            for part in parts:
                part.look_up()  # else the program would, and keep anew in every call what it found
            program = _program(_alone(step))
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


def _alone(method: Callable[[Step], Result]) -> Callable[[Step], Result]:
    """Return a method with code of its own: torch keeps programs with the code, for all owners together."""
    assert isinstance(method, MethodType)
    shared = method.__func__
    own = FunctionType(shared.__code__.replace(), shared.__globals__, shared.__name__)
    return MethodType(own, method.__self__)


def _program(step: Callable[[Step], Result]) -> Callable[[Step], Result]:
    options: dict[str, Any] = {"size_asserts": False}
    if hasattr(torch.compiler, "skip_all_guards_unsafe"):  # guards can be chosen
        options["guard_filter_fn"] = _of_the_step
    with warnings.catch_warnings():  # torch deprecates what its own generator is written with
        warnings.filterwarnings("ignore", message=".*script_method.*", category=DeprecationWarning)
        return torch.compile(step, options=options)


def _of_the_step(guards: Sequence[Any]) -> list[bool]:
    """Say which of torch's 500 guards to keep, which take a quarter of a call: those on what is given."""
    return [guard.name.startswith(("step", "L['step']")) for guard in guards]


def _is_about_compiling(error: RuntimeError) -> bool:
    from torch._dynamo.exc import TorchDynamoException  # takes a second to import

    return isinstance(error, TorchDynamoException)
