"""Corpora and BM25: what becomes a document, what is refused by name, and which documents are nearest to a query."""

from __future__ import annotations

import json
import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rlvr_envs.search.corpus import Document, context_documents, passages, read_corpus
from rlvr_envs.search.retriever import K1, B, Retriever, words

import rlvr_gym as rg
from rlvr_gym.seeding import derive_rng


def rows(path: Path, *given: Any) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in given), encoding="utf-8")
    return str(path)


def retriever(*texts: str) -> Retriever:
    return Retriever([Document(id=f"{number:03d}", text=text) for number, text in enumerate(texts)])


def found(index: Retriever, query: str, count: int = 3) -> list[str]:
    return [document.id for document, _ in index.search(query, count)]


def test_a_folder_of_text_is_divided_into_passages(tmp_path: Path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "long.md").write_text("first line\n\n" + "word " * 150, encoding="utf-8")
    (tmp_path / "a.txt").write_text("\ufeffPrag\u00fc here", encoding="utf-8")
    (tmp_path / "skipped.csv").write_text("1,2", encoding="utf-8")
    documents = read_corpus(str(tmp_path))
    assert [(one.id, one.title, len(one.text.split())) for one in documents] == [
        ("a.txt#000001", "a", 2),
        ("in/long.md#000001", "long", 2),
        ("in/long.md#000002", "long", 100),
        ("in/long.md#000003", "long", 50),
    ]
    assert documents[0].text == "Prag\u00fc here"


def test_short_paragraphs_share_a_passage_and_are_never_torn():
    text = "\n\n".join(" ".join([f"p{number}"] * 40) for number in range(5))
    assert [Counter(piece.split()) for piece in passages(text)] == [
        {"p0": 40, "p1": 40},
        {"p2": 40, "p3": 40},
        {"p4": 40},
    ]


def test_rows_as_flashrag_has_them_and_rows_with_text(tmp_path: Path):
    path = rows(
        tmp_path / "c.jsonl",
        {"id": 7, "contents": '"Paris"\nThe capital.\nA city.'},
        {"id": "b", "contents": "only a line"},
        {"title": "Seine", "text": "A  river."},
    )
    assert read_corpus(path) == [
        Document(id="3", title="Seine", text="A river."),
        Document(id="7", title="Paris", text="The capital. A city."),
        Document(id="b", text="only a line"),
    ]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"id": "a", "text": "twice"}, r"line 2: document id 'a' already stands at .*line 1"),
        ({"id": "b"}, r"line 2: a document has `contents` or `text`; the row has id"),
        ({"id": "b", "text": " \n"}, r"line 2: the document 'b' is empty"),
        ({"id": "b", "contents": ""}, r"line 2: the document 'b' is empty"),
        ({"id": "b", "text": ["x"]}, r"line 2: `text` is list, and not text"),
        ({"id": "b", "title": 3, "text": "x"}, r"line 2: `title` is int, and not text"),
        ({"id": None, "text": "x"}, r"line 2: a document's id is text or a whole number, not None"),
        ({"id": True, "text": "x"}, r"line 2: a document's id is text or a whole number, not True"),
        ({"id": " ", "text": "x"}, r"line 2: a document's id is text or a whole number"),
        ([1], r"line 2: expected a JSON object, found list"),
    ],
)
def test_a_row_that_is_no_document_is_named(tmp_path: Path, row: Any, fault: str):
    with pytest.raises(rg.DataError, match=fault):
        read_corpus(rows(tmp_path / "c.jsonl", {"id": "a", "text": "first"}, row))


def test_a_row_that_breaks_off_is_named(tmp_path: Path):
    path = tmp_path / "c.jsonl"
    path.write_text('{"id": "a", "text": "x"}\n{"id": "b", "te', encoding="utf-8")
    with pytest.raises(rg.DataError, match=r"line 2 is incomplete"):
        read_corpus(str(path))


def test_a_file_that_is_no_text_is_named(tmp_path: Path):
    (tmp_path / "good.txt").write_text("good", encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(rg.DataError, match=r"latin\.txt is no text in UTF-8"):
        read_corpus(str(tmp_path))
    (tmp_path / "latin.txt").write_bytes(b" \n")
    with pytest.raises(rg.DataError, match=r"latin\.txt is empty"):
        read_corpus(str(tmp_path))


def test_what_is_no_corpus_says_so(tmp_path: Path):
    with pytest.raises(rg.DataError, match=r"holds no \.txt or \.md file"):
        read_corpus(str(tmp_path))
    with pytest.raises(rg.DataError, match=r"holds no documents"):
        read_corpus(rows(tmp_path / "none.jsonl"))
    (tmp_path / "c.pdf").write_text("a,b")
    with pytest.raises(rg.ConfigError, match=r"the name must end in \.jsonl"):
        read_corpus(str(tmp_path / "c.pdf"))
    with pytest.raises(rg.DataError, match=r"there is no corpus at .*nowhere"):
        read_corpus(str(tmp_path / "nowhere"))
    with pytest.raises(rg.DataError, match="there is nothing to search in"):
        retriever("!!!", "...")


def test_contexts_are_the_paragraphs_of_all_rows_once_each():
    table = {"title": ["A", "B"], "sentences": [["One.", " Two."], ["Three."]]}
    other = [["B", ["Three."]], ["B", ["Another B."]], ["C", []]]
    documents = context_documents([("row 1", {"context": table}), ("row 2", {"context": other})], "hotpot")
    assert sorted((one.title, one.text) for one in documents) == [
        ("A", "One. Two."),
        ("B", "Another B."),
        ("B", "Three."),
    ]


@pytest.mark.parametrize(
    "context",
    [
        {"title": ["A"], "sentences": []},
        [["A"]],
        "text",
        [[1, ["x"]]],
        [["A", "text"]],
        [["A", [1]]],
        {"a": 1},
    ],
)
def test_a_context_that_is_none_is_named(context: Any):
    with pytest.raises(rg.DataError, match="row 1: "):
        context_documents([("row 1", {"context": context})], "hotpot")


def test_without_contexts_a_corpus_is_asked_for():
    with pytest.raises(rg.DataError, match="name a corpus with corpus=PATH"):
        context_documents([("row 1", {})], "questions")


def lucene(query: str, texts: list[str], place: int) -> float:
    """The score by the formula, term by term."""
    tokens = [words(text) for text in texts]
    average = sum(map(len, tokens)) / len(tokens)
    score = 0.0
    for word in words(query):
        holding = sum(word in one for one in tokens)
        often = tokens[place].count(word)
        if often:
            idf = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
            score += idf * often / (often + K1 * (1 - B + B * len(tokens[place]) / average))
    return score


def test_scores_are_lucenes_by_hand():
    texts = ["the cat sat", "the cat and the dog ran away", "a dog"]
    index = retriever(*texts)
    for query in ("cat", "dog cat", "the the dog", "away ran"):
        scores = {document.id: score for document, score in index.search(query, 3)}
        for place, id in enumerate(("000", "001", "002")):
            assert scores.get(id, 0.0) == pytest.approx(lucene(query, texts, place), rel=1e-5)
    # One of two words: idf log(1 + 1.5 / 1.5) = log 2, in a document of average length: 1 / (1 + 1.2).
    ((_, score),) = retriever("cat", "dog").search("cat", 1)
    assert score == pytest.approx(math.log(2) / 2.2, rel=1e-6)


def test_ties_are_broken_by_id_whatever_the_order_of_the_rows():
    documents = [Document(id=f"d{number:02d}", text="same words") for number in range(40)]
    documents += [Document(id="a", text="same words and more"), Document(id="z", text="others")]
    for seed in range(5):
        derive_rng("order", seed).shuffle(documents)
        assert found(Retriever(documents), "same words", 3) == ["d00", "d01", "d02"]
    assert found(Retriever(documents), "same", 100) == [*(f"d{number:02d}" for number in range(40)), "a"]


def test_a_document_without_a_word_of_the_query_is_never_found():
    index = retriever("cat", "dog", "bird")
    assert found(index, "fish") == []
    assert found(index, "cat fish") == ["000"]


@pytest.mark.parametrize(
    "query", ["", " ", "!?", "\x00", "\ufffd", "🙂", "ا" * 5, "zzz " * 10_000, "(" * 10_000]
)
def test_garbage_finds_nothing(query: str):
    assert found(retriever("cat", "dog"), query) == []


@pytest.mark.parametrize(
    ("query", "id"),
    [
        ("BEYONCE\u0301", "000"),
        ("beyoncé", "000"),
        ("straße", "001"),
        ("STRASSE", "001"),
        ("東京", "002"),
        ("首都は東京", "002"),
        ("Москва", "003"),
        ("हिन्दी", "004"),
        ("ｃａｔ", "005"),
        ("café", "006"),
    ],
)
def test_words_are_found_in_every_script(query: str, id: str):
    index = retriever(
        "Beyoncé sings",
        "die Straße",
        "東京は日本の首都です",
        "Москва — столица",
        "हिन्दी भाषा",
        "cat",
        "cafe\u0301",
    )
    assert found(index, query, 1) == [id]


def test_a_title_is_searched_as_well():
    index = Retriever([Document(id="1", title="Paris", text="a city"), Document(id="2", text="a city")])
    assert found(index, "Paris") == ["1"]


def test_many_threads_find_the_same():
    rng = derive_rng("corpus")
    texts = [" ".join(rng.choice("abcdefghij") * 2 for _ in range(8)) for _ in range(200)]
    index = retriever(*texts)
    queries = ["aa bb", "cc", "jj ii hh", "aa aa"] * 20
    alone = [found(index, query) for query in queries]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda query: found(index, query), queries)) == alone
