"""A place in the words of an expression, for the grammar to read on from."""

from __future__ import annotations

from rlvr_gym.verifiers.math.text.tokens import Token, Unparsable

_BEFORE_A_FACTOR = frozenset("!)|⌋⌉iπ")
"""Signs after which a number is a factor: `3!7!`, and not the rest of a broken number."""


class Cursor:
    """A place among tokens. Beyond the last one stand tokens of the kind `end`, without text."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self, ahead: int = 0) -> str:
        """The text of the next token, or of one that stands `ahead` of it; before it where that is negative."""
        at = self._at + ahead
        return self._tokens[at].text if 0 <= at < len(self._tokens) else ""

    def kind(self, ahead: int = 0) -> str:
        """The kind of the same."""
        at = self._at + ahead
        return self._tokens[at].kind if 0 <= at < len(self._tokens) else "end"

    def skip(self) -> None:
        """Go on by one token."""
        self._at += 1

    def take(self) -> Token:
        """The next token, which is then behind. Raises Unparsable at the end."""
        if self._at == len(self._tokens):
            raise Unparsable("it ends where an operand is expected")
        self._at += 1
        return self._tokens[self._at - 1]

    def expect(self, text: str) -> None:
        """Go on past a token of that text. Raises Unparsable where there is another."""
        if self.peek() != text:
            raise Unparsable(f"'{text}' is missing")
        self._at += 1

    def put_back(self, rest: Token) -> None:
        """Go back to the token that was taken last, of which `rest` is left."""
        self._at -= 1
        self._tokens[self._at] = rest

    def may_be_factor(self) -> bool:
        """Return whether the number that comes is a factor: after `!`, `)` or a constant, or one power after another.

        After a variable it is none: `x6` may be an index left on the line, and `x0x` is no way to write 0. With a
        letter in its exponent it is: `n2^{n-1}`.
        """
        if self.peek(-1) in _BEFORE_A_FACTOR:
            return True
        if self.peek(1) != "^":
            return False
        return self.peek(-2) == "^" or self.peek(-1) == "}" or (self.kind(-1) == "letter" and self._varies(2))

    def _varies(self, ahead: int) -> bool:
        """Return whether the exponent ahead contains a letter."""
        if self.peek(ahead) != "{":
            return self.kind(ahead) == "letter"
        while self.peek(ahead) not in ("}", ""):
            ahead += 1
            if self.kind(ahead) == "letter":
                return True
        return False
