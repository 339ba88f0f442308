"""BM25 as Lucene has it, in this process: the documents nearest to a query, ties broken by their ids."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, final

import numpy as np

import rlvr_gym as rg
from rlvr_envs.search.corpus import Document

K1, B = 1.2, 0.75
"""Lucene's own defaults."""
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"  # kana and Han: each by itself
    r"|(?:[^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
    r"|[\u0300-\u036f\u0591-\u05c7\u0610-\u065f\u0900-\u0dff\u0e31-\u0e4e])+"  # signs within words
)


def words(text: str) -> list[str]:
    """The words of a text, without case: runs of letters and digits, of Chinese and Japanese each character."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _WORD.findall(text.casefold())


def refuse_without_bm25s() -> None:
    """Raise ConfigError where the library that scores documents is not installed."""
    if find_spec("bm25s") is None:
        from rlvr_sandbox.installing import pip_install  # slow to import, and needed by few

        raise rg.ConfigError(f"search needs bm25s: {pip_install('search')}")


@final
class Retriever:
    """An index of documents. May be asked from several threads at once.

    Raises DataError where no document has a word in it.
    """

    def __init__(self, documents: Sequence[Document]) -> None:
        refuse_without_bm25s()
        import bm25s

        self.documents = sorted(documents, key=lambda document: document.id)
        self._ids: dict[str, int] = {}
        listed = [self._listed(f"{document.title} {document.text}") for document in self.documents]
        if not self._ids:
            raise rg.DataError("no document has a word in it: there is nothing to search in")
        self._bm25: Any = bm25s.BM25(method="lucene", k1=K1, b=B, auto_compile=False)
        self._bm25.index((listed, self._ids), create_empty_token=False, show_progress=False)

    def search(self, query: str, count: int) -> list[tuple[Document, float]]:
        """Find at most `count` documents that share a word with the query, the nearest first, with their scores.

        Of equal scores the smaller id comes first.
        """
        known = [self._ids[word] for word in words(query) if word in self._ids]
        if not known:
            return []
        scores = self._bm25.get_scores(known)
        found = np.flatnonzero(scores > 0)
        if len(found) > count:
            least = np.partition(scores[found], -count)[-count]
            found = found[scores[found] >= least]
        nearest = found[np.lexsort((found, -scores[found]))][:count]
        return [(self.documents[place], float(scores[place])) for place in nearest]

    def _listed(self, text: str) -> list[int]:
        return [self._ids.setdefault(word, len(self._ids)) for word in words(text)]
