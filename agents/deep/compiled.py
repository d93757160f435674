"""A method as one compiled program, or a sentence that says why it cannot be one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from types import FunctionType, MethodType
from typing import Any, TypeVar

import torch

from emotional_ed.agents.deep.errors import CompileError
from emotional_ed.memory import QuickModule
from emotional_ed.memory._validation import are_values_checked

Step = TypeVar("Step")
Result = TypeVar("Result")


def compiled_step(
    step: Callable[[Step], Result], *parts: QuickModule, trusted: bool = True
) -> Callable[[Step], Result]:
    """Return `step`, to be compiled by `torch.compile` when it is called for the first time.

    A step of affect is some 150 operations on tensors of a few numbers; one by one each takes longer to call
    than to do. Compiled they are a few loops, called once. Numbers may differ by rounding. Where what is
    given has other sizes (recall begins another head) it is compiled anew, once or twice. While values are
    checked (`value_checks`) it is not compiled, because a program looks at nothing.

    Args:
        step: a method; its second argument, named `step`, may change in everything.
        *parts: modules that the step works with.
        trusted: whether its owner changes in nothing but the numbers in its tensors. Else all that it looks
            at is looked at again in every call, which costs a quarter more.

    Raises:
        CompileError: while stepping, there is no compiler for C++, or it fails, or the step asks what a
            number in a tensor is, which no program can.
    """
    program: Callable[[Step], Result] | None = None

    def run(given: Step) -> Result:
        nonlocal program
        if are_values_checked():
            return step(given)
        try:
            if program is not None:
                return program(given)
            for part in parts:
                part.look_up()  # else the program would, and keep anew in every call what it found
            program = _program(_alone(step), trusted)
            with warnings.catch_warnings():  # torch deprecates what its own generator is written with
                warnings.filterwarnings("ignore", message=".*script_method.*", category=DeprecationWarning)
                return program(given)
        except Exception as error:  # torch's have no base of their own
            message = _about_compiling(error)
            if message is None:
                raise
            raise CompileError(message) from error

    return run


def _alone(method: Callable[[Step], Result]) -> Callable[[Step], Result]:
    """Return a method with code of its own: torch keeps programs with the code, for all owners together."""
    assert isinstance(method, MethodType)
    shared = method.__func__
    own = FunctionType(shared.__code__.replace(), shared.__globals__, shared.__name__)
    return MethodType(own, method.__self__)


def _program(step: Callable[[Step], Result], trusted: bool) -> Callable[[Step], Result]:
    options: dict[str, Any] = {"size_asserts": False}
    if trusted and hasattr(torch.compiler, "skip_all_guards_unsafe"):  # guards can be chosen
        options["guard_filter_fn"] = _of_the_step
    return torch.compile(step, fullgraph=True, options=options)


def _of_the_step(guards: Sequence[Any]) -> list[bool]:
    """Say which of torch's 500 guards to keep, which take a quarter of a call: those on what is given."""
    return [guard.name.startswith(("step", "L['step']")) for guard in guards]


def _about_compiling(error: Exception) -> str | None:
    """Return what to say of an error of the compiler; None of any other."""
    from torch._dynamo import exc  # takes a second to import

    if not isinstance(error, exc.TorchDynamoException | exc.FailOnRecompileLimitHit):
        return None
    why = " ".join(str(error).split()).split(" Set TORCH")[0]  # less what helps torch's developers
    if isinstance(error, exc.Unsupported | exc.FailOnRecompileLimitHit):
        return (
            f"compiled: got True, but a step cannot be one program here ({why[:300]}), expected channels "
            "that ask for no number of a tensor and keep none outside of buffers; compiled=False does without"
        )
    return (
        f"compiled: got True, but torch.compile fails here ({why}), expected a C++ compiler such as g++ that "
        "works; compiled=False does without"
    )
