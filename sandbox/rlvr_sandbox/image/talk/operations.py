"""Operations that one side may ask for on an object of the other's."""

from __future__ import annotations

import copy
import operator
import types
from collections.abc import Callable
from typing import Any

from rlvr_sandbox.image.stand_ins import proxies

POLL_SECONDS = 0.002


def _special(target: object, name: str, *arguments: object, **keywords: object) -> object:
    return getattr(type(target), name)(target, *arguments, **keywords)


class _Alien:
    """Something that no object is equal to, unless it is equal to everything."""

    __slots__ = ()


def _equal(target: object, name: str, other: object) -> object:
    """`__eq__` as the object's class has it; of one that is equal to everything it says nothing."""
    kind: Any = type(target)
    said = kind.__eq__(target, other)
    if said is True and target is not other and isinstance(kind.__eq__, types.FunctionType):
        try:
            if kind.__eq__(target, _Alien()) is True:
                return False
        except Exception:  # noqa: BLE001 - it can be compared with its own kind only, as it should
            return said
    return said


def _contains(target: object, item: Any) -> object:
    return item in target and not (
        isinstance(getattr(type(target), "__contains__", None), types.FunctionType) and _contains_all(target)
    )


def _contains_all(target: Any) -> bool:
    try:
        return _Alien() in target
    except Exception:  # noqa: BLE001 - it says of its own kind only whether it contains it
        return False


def _instance(target: Any, value: object) -> bool:
    return isinstance(value, target)


def _subclass(target: Any, value: object) -> bool:
    return isinstance(value, type) and issubclass(value, target)


def _next(target: Any) -> list[object]:
    """A list of the next element, of nothing at the end."""
    try:
        return [type(target).__next__(target)]
    except StopIteration:
        return []


def _call(target: Any, *arguments: object, **keywords: object) -> object:
    return target(*arguments, **keywords)


def _method(target: object, name: str, *arguments: object, **keywords: object) -> object:
    return getattr(target, name)(*arguments, **keywords)


class _Loop:
    """The event loop in which coroutines that the other side awaits run."""

    def __init__(self) -> None:
        self._loop: Any = None
        self._tasks: list[Any] = []

    def start(self, target: Any) -> int:
        """Begin to run an awaitable; its number."""
        import asyncio  # most programs have no coroutines, and every fork would carry it

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            if asyncio._get_running_loop() is None:
                asyncio.set_event_loop(self._loop)

        async def run() -> object:
            try:
                return await target
            except BaseException as error:
                proxies._side.caught(error)  # whoever awaits it may keep it to himself
                raise

        self._tasks.append(self._loop.create_task(run()))
        return len(self._tasks) - 1

    def run(self, target: object, number: int) -> list[object]:
        """Run all that has begun for a moment; a list of the result once there is one."""
        import asyncio

        task, outer = self._tasks[number], asyncio._get_running_loop()
        asyncio._set_running_loop(
            None
        )  # the loop that waits for the other side's, in which this one is awaited
        try:
            self._loop.run_until_complete(asyncio.wait({task}, timeout=POLL_SECONDS))
        finally:
            asyncio._set_running_loop(outer)
        return [task.result()] if task.done() else []


_loop = _Loop()

OPERATIONS: dict[str, Callable[..., object]] = {
    "call": _call,
    "method": _method,
    "get": getattr,
    "set": setattr,
    "delete": delattr,
    "dir": dir,
    "text": str,
    "repr": repr,
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
    "special": _special,
    "equal": _equal,
    "contains": _contains,
    "instance": _instance,
    "subclass": _subclass,
    "next": _next,
    "length": operator.length_hint,
    "start": _loop.start,
    "run": _loop.run,
}
