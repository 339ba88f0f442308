"""Tokens that control a model (ends of turns, roles, tools, thinking), and text that must not become any.

Only the chat template's own words may. A message that holds the text of such a token, `<|im_end|>` say, is
encoded as the characters it consists of.
"""

from __future__ import annotations

import json
import re
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from rlvr_gym.errors import ConfigError
from rlvr_gym.files import Json, JsonObject

_MARK = "\U0010fffd"
"""Stands before the text of a control token that came with a message. For private use: no text of anyone's."""
_NAME = "\U0010fffc"
"""Begins the name by which the template's own control tokens go where a message holds the text of one."""
_FIRST_NAME = 0xF0000
_THINKING = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)


class ControlTokens:
    """The control tokens of a tokenizer, and an encoding that tells the template's own from others.

    An added token is one if it is special, if the chat template writes it, or if it stands outside of the
    model's own vocabulary: no text was ever read with it. Runs of white space, and markup that a vocabulary
    holds as ordinary words (Gemma's `<table>`), are none.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        # Not held: what is known of a tokenizer goes when it goes.
        self._tokenizer: Any = weakref.proxy(tokenizer)
        self._ids = _control_ids(tokenizer)
        # Characters that a vocabulary lacks become the unknown token: it says nothing about who wrote them.
        self._telling = frozenset(id for id in self._ids.values() if id != tokenizer.unk_token_id)
        texts = "|".join(map(re.escape, sorted(self._ids, key=len, reverse=True))) or "(?!)"
        special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        self._not_said = re.compile(
            "|".join(
                re.escape(text)
                for text in sorted(self._ids, key=len, reverse=True)
                if text in special and not _THINKING.fullmatch(text)
            )
            or "(?!)"
        )
        self._texts, self._texts_or_marked = re.compile(texts), re.compile(f"{_MARK}?+(?:{texts})")
        self._beginnings = {text[:length] for text in self._ids for length in range(1, len(text))}
        self._longest = max(map(len, self._ids), default=1)
        self._names = {text: _NAME + chr(_FIRST_NAME + place) for place, text in enumerate(self._ids)}
        self._guarded: _Guarded | None = None

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> ControlTokens:
        """The control tokens of that tokenizer, found once while it and its template stay as they are."""
        state = (str(tokenizer.chat_template), len(tokenizer), tuple(tokenizer.all_special_tokens))
        found = _known.get(tokenizer)
        if found is None or found[0] != state:
            found = _known[tokenizer] = (state, cls(tokenizer))
        return found[1]

    def mark(self, contents: Sequence[str]) -> list[str]:
        """The contents of a conversation's messages, texts of control tokens in them marked.

        A template sees the texts as they are, with the mark before them. Contents without any, also none
        that two messages make together, come back as they are, but for the two characters that stand for marks and
        names here: who writes them could name a control token.
        """
        contents = [_without_marks(content) for content in contents]
        halves = any(self._ends_in_a_beginning(content) for content in contents[:-1])
        if not halves and not any(self._texts.search(content) for content in contents):
            return contents
        return [self._marked(content) for content in contents]

    def mark_all(self, value: Json) -> Json:
        """A JSON value, a tool's schema say, with the texts of control tokens in it marked; keys are left alone."""
        if isinstance(value, str):
            return self.mark([value])[0]
        if isinstance(value, list | tuple):
            return [self.mark_all(part) for part in value]
        if isinstance(value, dict):
            return {key: self.mark_all(part) for key, part in value.items()}
        return value

    def encode_turn(self, text: str) -> tuple[int, ...]:
        """The ids of a turn that the policy is shown as its own, a solution say.

        Tokens that frame turns stay text, as in a message. Those that a policy writes within its turn (thinking and
        tools, where the tokenizer does not count them among the special ones) are tokens.
        """
        return self.encode(self._not_said.sub(lambda found: _MARK + found[0], _without_marks(text)))

    def encode(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """The ids of a conversation that a template wrote around marked contents.

        Nothing but control tokens outside of marks becomes one. `special` adds what the tokenizer adds to
        any text.
        """
        if _MARK not in text:
            ids = self._tokenizer.encode(text, add_special_tokens=False)
            written = sum(self._ids[found[0]] in self._telling for found in self._texts.finditer(text))
            # More come of other texts where a tokenizer looks for them in what its normalizer made.
            if sum(id in self._telling for id in ids) <= written:
                return tuple(self._tokenizer.encode(text, add_special_tokens=True) if special else ids)
        if self._guarded is None:
            self._guarded = _Guarded.of(self._tokenizer, self._names, self._ids)
        named = self._texts_or_marked.sub(
            lambda found: found[0] if found[0][0] == _MARK else self._names[found[0]], text
        )
        return self._guarded.encode(named.replace(_MARK, ""), special=special)

    def among(self, ids: Sequence[int]) -> bool:
        """Return whether a control token is among ids."""
        return any(id in self._telling for id in ids)

    def _marked(self, content: str) -> str:
        content = self._texts.sub(lambda found: _MARK + found[0], content)
        if not self._ends_in_a_beginning(content):
            return content
        seen = content.rstrip()
        return f"{seen[:-1]}{_MARK}{seen[-1]}{content[len(seen) :]}"

    def _ends_in_a_beginning(self, content: str) -> bool:
        """Return whether the next message could complete a control token's text; templates strip white space."""
        end = content.rstrip()[-self._longest :]
        return any(end[start:] in self._beginnings for start in range(len(end)))


def _without_marks(text: str) -> str:
    return text.replace(_MARK, "\ufffd").replace(_NAME, "\ufffd")


_known: weakref.WeakKeyDictionary[PreTrainedTokenizerBase, tuple[object, ControlTokens]] = (
    weakref.WeakKeyDictionary()
)


def _control_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """The id of each control token, by its text."""
    templates = str(tokenizer.chat_template)
    own = _own_vocabulary(tokenizer)
    return {
        token.content: id
        for id, token in tokenizer.added_tokens_decoder.items()
        if token.content.strip(" \t\r\n\u2581")
        and (token.special or token.content in templates or token.content not in own)
    }


def _own_vocabulary(tokenizer: PreTrainedTokenizerBase) -> Mapping[str, int]:
    if isinstance(tokenizer, PreTrainedTokenizerFast):
        return tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False)
    return {}


class _Guarded:
    """A twin of a tokenizer that knows control tokens by other names only, and by their texts no more."""

    def __init__(self, twin: Tokenizer, original: Mapping[int, int]) -> None:
        self._twin, self._original = twin, original

    @staticmethod
    def of(tokenizer: PreTrainedTokenizerBase, names: Mapping[str, str], ids: Mapping[str, int]) -> _Guarded:
        """The twin in which each key of `names` goes by its value. Raises ConfigError where none can be made."""
        if not isinstance(tokenizer, PreTrainedTokenizerFast):
            raise ConfigError(
                f"a message holds the text of a control token, and a {type(tokenizer).__name__} cannot be kept "
                "from reading it as one; possible: a tokenizer with a tokenizer.json"
            )
        state: JsonObject = json.loads(tokenizer.backend_tokenizer.to_str())
        state["truncation"] = state["padding"] = None
        for token in state["added_tokens"]:
            if name := names.get(token["content"]):
                # A normalizer may drop characters for private use.
                token |= {"content": name, "normalized": False}
        _rename(state["model"], names)
        twin = Tokenizer.from_str(json.dumps(state))
        # Added tokens are numbered anew, without the gaps that there may be.
        known = {names.get(text, text): id for text, id in tokenizer.get_added_vocab().items()}
        numbers = {name: twin.token_to_id(name) for name in known}
        return _Guarded(twin, {new: known[name] for name, new in numbers.items() if new is not None})

    def encode(self, text: str, *, special: bool) -> tuple[int, ...]:
        """The ids that the tokenizer itself would give."""
        ids = self._twin.encode(text, add_special_tokens=special).ids
        return tuple(self._original.get(id, id) for id in ids)


def _rename(model: JsonObject, names: Mapping[str, str]) -> None:
    """Rename tokens in a tokenizer's model, whose algorithm could arrive at them letter by letter."""
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {names.get(text, text): id for text, id in vocabulary.items()}
    else:
        model["vocab"] = [[names.get(text, text), score] for text, score in vocabulary]
    if "merges" in model:
        model["merges"] = [pair for pair in model["merges"] if not _makes(pair, names)]
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]


def _makes(merge: Sequence[str] | str, names: Mapping[str, str]) -> bool:
    """Return whether a merge takes or makes a renamed token."""
    left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
    return left in names or right in names or left + right in names
