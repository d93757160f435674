"""A module whose buffers and parts are found as fast as plain attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class QuickModule(nn.Module):
    """`nn.Module`, whose `__getattr__` costs more than a small tensor operation, asked once for each name.

    What it answers is kept among the instance's own attributes until that buffer or part is replaced: by
    assignment, registration, deletion, or `to` and its kin. Writing into a buffer replaces nothing.
    """

    def __getattr__(self, name: str) -> Any:
        value = super().__getattr__(name)
        if name in self._buffers or name in self._modules:
            self.__dict__[name] = value
        return value

    def look_up(self) -> None:
        """Ask once for every buffer and part, and for those of its parts, so that all answers are kept."""
        for part in self.modules():
            if isinstance(part, QuickModule):
                for name in (*part._buffers, *part._modules):
                    getattr(part, name)

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        held = name in own.get("_buffers", ()) or name in own.get("_modules", ())
        if held or isinstance(value, Tensor | nn.Module) or name in own.get("_parameters", ()):
            super().__setattr__(name, value)
            if held:
                own.pop(name, None)  # afterwards: to set it, torch looks at what there was
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name in self._buffers or name in self._modules:
            self.__dict__.pop(name, None)
        super().__delattr__(name)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a buffer, or put another in its place."""
        known = name in self._buffers
        super().register_buffer(name, tensor, persistent)
        if known:
            self.__dict__.pop(name, None)

    def register_module(self, name: str, module: nn.Module | None) -> None:
        """Add a part, or put another in its place."""
        known = name in self._modules
        super().register_module(name, module)
        if known:
            self.__dict__.pop(name, None)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> QuickModule:
        for name in (*self._parameters, *self._buffers, *self._modules):
            self.__dict__.pop(name, None)
        return super()._apply(fn, recurse)  # type: ignore[no-any-return,no-untyped-call]
