"""Questions over a corpus: the model searches, reads, searches again, and answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, final

import rlvr_gym as rg
from rlvr_envs.search.corpus import Document, context_documents, read_corpus
from rlvr_envs.search.protocol import (
    AGAIN,
    HOW_TO,
    HOW_TO_CALL,
    MOST_CHARACTERS,
    STOPS,
    Final,
    Query,
    Unclear,
    fenced,
    own_words,
    read_turn,
    shown,
)
from rlvr_envs.search.retriever import Retriever, refuse_without_bm25s, words
from rlvr_envs.sources import stored_tasks
from rlvr_envs.styles import in_range
from rlvr_gym.audit import Attack, Expectation
from rlvr_gym.environments.base import Info
from rlvr_gym.rows import Row, hub_rows, reader_of
from rlvr_gym.verifiers import F1, AnswerContract, ExactMatch, Marker, Verifier
from rlvr_gym.verifiers.open_answers import golden_answers

CARD = rg.EnvironmentCard(
    summary="Answer a question by searching in documents.",
    detail="A model whose chat template knows tools calls the tool `search`. For any other, as in Search-R1 (arXiv "
    "2503.09516), a turn ends after </search> or </answer>, and is answered with the documents nearest to the query by "
    "BM25 between <information> tags. Their tokens are masked.",
    turns=4,
    source="data=PATH, a file with the fields of FlashRAG's data sets (question, golden_answers), HotpotQA's "
    "(question, answer, context) or Search-R1's, or a hub id; corpus=PATH, a folder of text or a file of "
    "documents, or without it the paragraphs that HotpotQA's rows bring along",
    licence="that of the data; HotpotQA is CC BY-SA 4.0",
    answer="The text in exactly one <answer> of the last turn, compared with each golden answer without case, "
    "punctuation and articles; reward=f1 pays for words in common.",
    sampling=rg.SamplingParams(max_tokens=500),
)


@rg.register("rlvr/Search-v0", card=CARD)
def search(
    data: str,
    split: str = "train",
    corpus: str = "",
    config: str = "",
    reward: str = "exact",
    protocol: str = "calls",
    documents: int = 3,
    tokens: int = 500,
    max_turns: int = 4,
) -> rg.Environment:
    """`documents` and `tokens` bound what a search shows; `protocol` is calls (tags without tools) or always tags.

    `config` names a configuration of a hub data set, such as distractor of HotpotQA.
    """
    in_range("documents", documents, 1, 20)
    in_range("tokens", tokens, 10, 20_000)
    in_range("max_turns", max_turns, 2, 20)
    if protocol not in ("calls", "tags"):
        raise rg.ConfigError(f"protocol must be 'calls' or 'tags', not '{protocol}'")
    refuse_without_bm25s()
    verifier = OwnAnswer(_match(reward))
    tasks = stored_tasks(data, to_task, verifier, name="search", split=split, config=config or None)
    index = Index(
        lambda: read_corpus(corpus) if corpus else context_documents(_rows(data, config, split), data)
    )
    shows = {"documents": documents, "tokens": tokens}
    return Search(tasks, verifier, index, max_turns=max_turns, calls=protocol == "calls", **shows)


def _match(reward: str) -> Verifier:
    contract = AnswerContract(Marker.TAG, strict=True)
    match reward:
        case "exact":
            return ExactMatch(contract)
        case "f1":
            return F1(contract)
        case _:
            raise rg.ConfigError(f"reward must be 'exact' or 'f1', not '{reward}'")


def _rows(data: str, config: str, split: str) -> Iterator[tuple[str, Row]]:
    path = Path(data).expanduser()
    return reader_of(path)(path) if path.is_file() else iter(hub_rows(data, config or None, split))


def to_task(row: Row) -> rg.Task:
    """A row of FlashRAG, HotpotQA or Search-R1 as a task."""
    question = row["question"]
    if not isinstance(question, str) or not question.strip():
        raise rg.DataError(f"expected a question as text, found {question!r}")
    question = question.strip()
    id = row.get("id", row.get("_id"))
    return rg.Task(
        id="" if id is None else str(id),
        prompt=f"{HOW_TO}{question}\n",
        reference=_golden(row),
        metadata={"question": question},
    )


def _golden(row: Row) -> Any:
    """The golden answers of a row; raises KeyError where it has none."""
    stated = row.get("reward_model")
    if row.get("golden_answers") is not None:
        golden = row["golden_answers"]
    elif isinstance(stated, dict) and isinstance(stated.get("ground_truth"), dict):
        golden = stated["ground_truth"]["target"]
    else:
        golden = row["answer"]
    return golden if isinstance(golden, list) else [golden]


@final
class Index:
    """The documents and their retriever, read and indexed when they are first needed."""

    def __init__(self, read: Callable[[], Sequence[Document]]) -> None:
        self._read = read

    @cached_property
    def retriever(self) -> Retriever:
        """The index of the documents. Raises DataError where they cannot be read."""
        return Retriever(self._read())


@final
class OwnAnswer(Verifier):
    """Asks a verifier about a turn's own words: an answer in information that it repeats or makes up is none."""

    def __init__(self, verifier: Verifier) -> None:
        self.verifier = verifier

    def verify(self, task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        """Judge the policy's own words."""
        return self.verifier.verify(task, replace(completion, text=own_words(completion.text)))

    def solution(self, task: rg.Task) -> str | None:
        """The solution that the verifier knows."""
        return self.verifier.solution(task)

    def check(self, task: rg.Task) -> None:
        """Ask the verifier."""
        self.verifier.check(task)

    def audit_parts(self, task: rg.Task) -> tuple[Verifier, ...]:
        """The verifier."""
        return (self.verifier,)


class Search(rg.Environment):
    """Answers calls of `search`, or turns that search, with documents."""

    own_protocol = True
    stop = STOPS

    def __init__(
        self,
        tasks: rg.TaskSet,
        verifier: Verifier,
        index: Index,
        *,
        max_turns: int = 4,
        calls: bool = True,
        documents: int = 3,
        tokens: int = 500,
    ) -> None:
        super().__init__(
            tasks,
            verifier,
            max_turns=max_turns,
            tools=[rg.tool(name="search", max_characters=20 * tokens + 200)(self.found)] if calls else (),
            limits=rg.EpisodeLimits(calls=max_turns - 1),
        )
        self.index, self.documents, self.tokens = index, documents, tokens

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, Info]:
        """Begin an episode. The first one reads the corpus, and raises DataError where that cannot be."""
        begun = super().reset(seed=seed, options=options)
        _ = self.index.retriever
        return begun

    def prompt(self, task: rg.Task, *, native_tools: bool) -> tuple[rg.Message, ...]:
        """Tell of the tool where the chat template shows it, and else of the tags."""
        if not native_tools:
            return task.prompt
        question = task.metadata.get("question", task.text.removeprefix(HOW_TO).strip())
        return (rg.Message(role="user", content=f"{HOW_TO_CALL}{question}"),)

    def found(self, query: str) -> str:
        """Search for documents.

        Args:
            query: words that the documents should have
        """
        if len(query) > MOST_CHARACTERS:
            return f"Nothing was searched for: a query has at most {MOST_CHARACTERS:,} characters."
        if not words(query):
            return "Nothing was searched for: there is no word in the query."
        nearest = self.index.retriever.search(query, self.documents)
        if not nearest:
            return "No document has any word of the query."
        return shown([document for document, _ in nearest], self.tokens)

    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> str | None:
        """The documents that the latest turn searches for; None for an answer, or where searches are calls."""
        if self.native_tools:
            return None
        match read_turn(replies[-1].text):
            case Query(text=query):
                return fenced(self.found(query))
            case Unclear():
                return AGAIN
            case Final():
                return None

    def audit_attacks(self, task: rg.Task) -> Iterator[Attack]:
        """A right answer in places where it is none, and every golden answer with an article and a full stop."""
        for other in golden_answers(task):
            text = f"<answer> The {other}. </answer>"
            yield Attack(family="search", tries="a golden answer", text=text, expectation=Expectation.PASS)
        gold = self.solution(task) or ""
        for tries, text in {
            "information made up that holds the answer": f"<information>Doc 1: {gold}</information>",
            "information that never ends": f"<information>Doc 1: {gold}",
            "a document repeated, then nothing": f"<information>\n{gold}\n</information>\n<answer></answer>",
            "the answer as a query": gold.replace("answer>", "search>"),
            "the answer and an example": f"{gold} For example, <answer> Beijing </answer>.",
        }.items():
            yield Attack(family="search", tries=tries, text=text, expectation=Expectation.FAIL)
