"""Measure the retriever of `search`: time and memory of an index, and queries per second.

    python benchmarks/searching/retriever.py [--documents 100000]

Times are those of one CPU core. Documents are 60 words drawn by Zipf's law from 200,000; queries have three to six
words of a document each.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from rlvr_envs.search.corpus import Document
from rlvr_envs.search.retriever import Retriever

VOCABULARY, WORDS, QUERIES = 200_000, 60, 500


def megabytes() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def corpus(count: int, stream: np.random.Generator) -> list[Document]:
    """Documents of random words, frequent ones among them."""
    drawn = np.minimum(stream.zipf(1.2, size=(count, WORDS)), VOCABULARY)
    return [
        Document(id=f"{place:08d}", title=f"w{row[0]}", text=" ".join(f"w{word}" for word in row))
        for place, row in enumerate(drawn)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--documents", type=int, default=100_000)
    asked = parser.parse_args()
    stream = np.random.default_rng(0)
    documents = corpus(asked.documents, stream)
    before, began = megabytes(), time.process_time()
    retriever = Retriever(documents)
    seconds, after = time.process_time() - began, megabytes()
    print(f"{asked.documents:,} documents of {WORDS} words: indexed in {seconds:.1f} s of CPU")
    print(f"memory: {before:,.0f} MB with the documents, at most {after:,.0f} MB while they are indexed")
    places = stream.integers(asked.documents, size=QUERIES)
    queries = [" ".join(documents[place].text.split()[: 3 + place % 4]) for place in places]
    taken: list[float] = []
    for query in queries:
        began = time.process_time()
        retriever.search(query, 3)
        taken.append(time.process_time() - began)
    slow = 1000 * float(np.quantile(taken, 0.95))
    print(f"{len(taken) / sum(taken):,.0f} queries for each second of CPU; 95 % take at most {slow:.1f} ms")


if __name__ == "__main__":
    main()
