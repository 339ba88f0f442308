"""Types of what the processes of the sandbox, and the host, send each other."""

from collections.abc import Callable
from typing import Any

Message = dict[str, Any]
"""A JSON object: an order, a question, an answer, the header of a frame. Who reads a key knows what is under it."""
Encoded = Any
"""A value as JSON, see `talk.values`. It may come from a program, so whoever reads it looks at all of it."""
Tagged = list[Encoded]
"""An encoded value that is no plain one: the name of its kind, and what it is made of."""
Coded = Callable[[Any], Any]
"""Encodes a value, or reads an encoded one."""
