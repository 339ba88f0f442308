"""Documents to search in: a folder of text, rows of a file, or the contexts that rows of questions bring along."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import rlvr_gym as rg
from rlvr_gym.rows import Row, reader_of

PASSAGE_WORDS = 100
"""Words of a passage, into which files of text are divided: as many as in the corpora of FlashRAG and Search-R1."""
_TEXT_SUFFIXES = (".txt", ".md")
_Placed = tuple[str, "Document"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A document; no two of a corpus have the same id."""

    id: str
    title: str = ""
    text: str


def read_corpus(corpus: str) -> list[Document]:
    """The documents of a folder of text or of a file of rows, by their ids.

    Files of a folder (`.txt`, `.md`, those of folders in it too) are divided into passages, with the file's name as
    title. Rows have `contents`, whose first line is the title as in FlashRAG's corpora, or `text` and perhaps `title`;
    and perhaps `id`, else their number. Raises DataError that names the row or file which cannot be a document, or has
    an id that there is already, and ConfigError for what is no corpus.
    """
    path = Path(corpus).expanduser()
    if not path.exists():
        raise rg.DataError(f"there is no corpus at {corpus}")
    placed = _passages_in(path) if path.is_dir() else _documents_in(path)
    return distinct(placed, f"the corpus {corpus}")


def distinct(placed: Iterable[_Placed], name: str) -> list[Document]:
    """Documents, each with its place, in the order of their ids. Raises DataError where two have the same."""
    places: dict[str, str] = {}
    documents: list[Document] = []
    for place, document in placed:
        if document.id in places:
            raise rg.DataError(
                f"{place}: document id '{document.id}' already stands at {places[document.id]}"
            )
        places[document.id] = place
        documents.append(document)
    if not documents:
        raise rg.DataError(f"{name} holds no documents")
    return sorted(documents, key=lambda document: document.id)


def context_documents(rows: Iterable[tuple[str, Row]], name: str) -> list[Document]:
    """The paragraphs that HotpotQA's rows have as `context`, once each, in the order of their ids."""
    found: dict[str, _Placed] = {}
    for place, row in rows:
        for title, text in _paragraphs(place, row.get("context") or ()):
            digest = hashlib.sha256(f"{title}\0{text}".encode()).hexdigest()[:16]
            id = f"{title}#{digest}"
            found.setdefault(id, (place, Document(id=id, title=title, text=text)))
    if not found:
        raise rg.DataError(f"no row of {name} has a `context` to search in: name a corpus with corpus=PATH")
    return distinct(found.values(), name)


def _paragraphs(place: str, context: object) -> Iterator[tuple[str, str]]:
    """The titles and texts of a row's context, as published on the hub or in the original file."""
    match context:
        case {"title": list(titles), "sentences": list(sentences)} if len(titles) == len(sentences):
            pairs = list(zip(titles, sentences, strict=True))
        case list() | tuple() if all(isinstance(pair, list) and len(pair) == 2 for pair in context):
            pairs = [(title, sentences) for title, sentences in context]
        case _:
            raise rg.DataError(f"{place}: `context` is neither HotpotQA's table nor its list of paragraphs")
    for title, sentences in pairs:
        if not isinstance(title, str) or not isinstance(sentences, list) or not _all_text(sentences):
            raise rg.DataError(f"{place}: a paragraph of `context` is no title with a list of sentences")
        text = " ".join("".join(sentences).split())
        if text:
            yield title, text


def _all_text(sentences: list[object]) -> bool:
    return all(isinstance(sentence, str) for sentence in sentences)


def _passages_in(folder: Path) -> Iterator[_Placed]:
    files = sorted(path for path in folder.rglob("*") if path.suffix in _TEXT_SUFFIXES and path.is_file())
    if not files:
        raise rg.DataError(f"{folder} holds no {' or '.join(_TEXT_SUFFIXES)} file to search in")
    for path in files:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise rg.DataError(f"{path} is no text in UTF-8: {error}") from error
        name = path.relative_to(folder).as_posix()
        pieces = list(passages(text))
        if not pieces:
            raise rg.DataError(f"{path} is empty")
        for number, piece in enumerate(pieces, start=1):
            yield str(path), Document(id=f"{name}#{number:06d}", title=path.stem, text=piece)


def passages(text: str) -> Iterator[str]:
    """Divide a text into passages of whole paragraphs, or of parts of a paragraph that is too long for one."""
    held: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        words = paragraph.split()
        if held and len(held) + len(words) > PASSAGE_WORDS:
            yield " ".join(held)
            held = []
        held += words
        while len(held) > PASSAGE_WORDS:
            yield " ".join(held[:PASSAGE_WORDS])
            held = held[PASSAGE_WORDS:]
    if held:
        yield " ".join(held)


def _documents_in(path: Path) -> Iterator[_Placed]:
    for number, (place, row) in enumerate(reader_of(path)(path), start=1):
        yield place, _document(place, row, number)


def _document(place: str, row: Row, number: int) -> Document:
    id = row.get("id", row.get("_id", number))
    if not isinstance(id, str | int) or isinstance(id, bool) or not str(id).strip():
        raise rg.DataError(f"{place}: a document's id is text or a whole number, not {id!r}")
    if "contents" in row:
        first, _, rest = _text(place, row, "contents").partition("\n")
        title, text = (first.strip().strip('"'), rest) if rest.strip() else ("", first)
    else:
        title, text = (_text(place, row, "title") if row.get("title") else ""), _text(place, row, "text")
    text = " ".join(text.split())
    if not text:
        raise rg.DataError(f"{place}: the document '{id}' is empty")
    return Document(id=str(id), title=" ".join(title.split()), text=text)


def _text(place: str, row: Row, field: str) -> str:
    if field not in row:
        raise rg.DataError(
            f"{place}: a document has `contents` or `text`; the row has {', '.join(sorted(row))}"
        )
    if not isinstance(row[field], str):
        raise rg.DataError(f"{place}: `{field}` is {type(row[field]).__name__}, and not text")
    return row[field]
