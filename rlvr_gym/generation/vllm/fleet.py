"""Several servers that are to sample from the same weights: which of them do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from rlvr_gym.errors import ConfigError, TrainingError
from rlvr_gym.generation.base import TokenSequence
from rlvr_gym.generation.vllm.command import ServerCommand
from rlvr_gym.generation.vllm.names import FIRST_WEIGHTS
from rlvr_gym.generation.vllm.server import Server, ServerLate, ServerLost, ServerRefused
from rlvr_gym.generation.vllm.weights_file import WeightsFile
from rlvr_gym.generation.weights import LARGEST_MEAN_DIFFERENCE, mean_difference

_TRY_AGAIN_SECONDS = 1.0
_PROBE = TokenSequence(prompt_token_ids=(1, 3, 2, 5), token_ids=(4, 2, 6))


class Fleet:
    """The servers; which of them are asked, and the weights that they are to have.

    Raises ConfigError when none answers, or when one was started in another way than it should.
    """

    def __init__(self, servers: Sequence[Server], model: str) -> None:
        self._servers, self._model = list(servers), model
        self._changed = threading.Condition()
        self._syncing = threading.Lock()
        """Held while servers take weights, by an update or because they came back."""
        self._file: WeightsFile | None = None
        self._proof: tuple[float, ...] = ()
        """The scores of `_PROBE` under the current weights."""
        self._keeper: threading.Thread | None = None
        self._closed = False
        self._lengths: dict[str, int | None] = {}
        self._greeted_with: dict[str, str] = {}
        """The names of the weights that servers had when they were last greeted."""
        self._each(self._greet, self._servers)
        if not self._asked():
            raise ConfigError(
                f"no vLLM server answers: {self.trouble()}. Start one like this, or with `rlvr serve`:\n"
                f"{self._command(self._servers[0])}"
            )
        self.context = min((length for length in self._lengths.values() if length), default=2**31)
        self.has_first_weights = all(
            self._greeted_with[server.url] == FIRST_WEIGHTS and not server.spoiled for server in self._asked()
        )
        if self.has_first_weights:
            self._prove()
        self._keep()

    @property
    def tag(self) -> str:
        """The name of the weights that every server should have."""
        return self._file.tag if self._file else FIRST_WEIGHTS

    @contextmanager
    def least_busy(self, until: float) -> Iterator[Server | None]:
        """A server to ask, the one with the fewest requests under way; None where none is there in time, or closed."""
        with self._changed:
            while (
                not (asked := self._asked()) and (left := until - time.monotonic()) > 0 and not self._closed
            ):
                self._changed.wait(left)
            server = min(asked, key=lambda server: server.under_way) if asked else None
            if server is not None:
                server.under_way += 1
        try:
            yield server
        finally:
            if server is not None:
                with self._changed:
                    server.under_way -= 1

    def leave_out(self, server: Server, why: str) -> None:
        """Ask that server no more until it has proven itself."""
        with self._changed:
            server.trouble = why
        self._keep()

    def trouble(self) -> str:
        """Describe why servers are left out."""
        return "; ".join(server.trouble for server in self._servers if server.trouble) or "all servers answer"

    def load(self, file: WeightsFile) -> None:
        """Have every server that answers take these weights.

        Raises TrainingError where none does, or where they then compute different things.
        """
        with self._syncing:
            self._each(
                lambda server: self._load(server, file),
                [server for server in self._servers if server.trouble is None or server.spoiled],
            )
            if not self._asked():
                file.path.unlink(missing_ok=True)
                raise TrainingError(f"no server took the weights: {self.trouble()}")
            before, self._file = self._file, file
            if before:
                before.path.unlink(missing_ok=True)
            self._prove()
        self._keep()

    def score(self, sequences: Sequence[TokenSequence], temperature: float) -> list[tuple[float, ...]]:
        """The log-probabilities of given tokens, the same by every server that is asked."""
        found: dict[str, list[tuple[float, ...]]] = {}

        def ask(server: Server) -> None:
            found[server.url] = [self._scored(server, sequence, temperature) for sequence in sequences]

        self._each(ask, self._asked())
        self._keep()
        if not found:
            raise TrainingError(f"no server answers: {self.trouble()}")
        (first, values), *others = found.items()
        for url, theirs in others:
            apart = mean_difference(
                [p for each in values for p in each], [p for each in theirs for p in each]
            )
            if apart > LARGEST_MEAN_DIFFERENCE:
                raise TrainingError(
                    f"{first} and {url} should have the same weights, and their log-probabilities of the same tokens "
                    f"are {apart:.2g} apart on average"
                )
        return values

    def close(self) -> None:
        """Stop looking after the servers, and remove the weights on their way."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._file:
            self._file.path.unlink(missing_ok=True)

    def _load(self, server: Server, file: WeightsFile) -> None:
        server.load(str(file.path), file.tag)
        with self._changed:
            server.trouble = None
            self._changed.notify_all()

    def _asked(self) -> list[Server]:
        return [server for server in self._servers if server.trouble is None]

    def _each(self, act: Callable[[Server], None], servers: Sequence[Server]) -> None:
        """Do that with each server at once; those that fail are left out."""

        def attempt(server: Server) -> None:
            try:
                act(server)
            except (ServerLost, ServerLate, ServerRefused) as error:
                with self._changed:
                    server.trouble = str(error)

        if servers:
            with ThreadPoolExecutor(len(servers)) as threads:
                list(threads.map(attempt, servers))

    def _greet(self, server: Server) -> None:
        """Look at how a server was started. Raises ConfigError where that will not do."""
        try:
            model = server.model()
            weights = server.weights()
            # Between an update's beginning and its end it has no weights: a request would be its last.
            server.spoiled = server.spoiled or server.paused()
            greedy = {"temperature": 1.0, "top_k": 1, "max_tokens": 1, "logprobs": 0}
            certain = [] if server.spoiled else server.sample((1,), greedy).logprobs.content
        except ServerRefused as error:
            if error.status != 404:
                raise
            raise ConfigError(self._otherwise(server, str(error))) from error
        # What is left of a distribution of which one token is kept is certain: unless raw ones are reported.
        if any(token.logprob < -1e-4 for token in certain):
            raise ConfigError(
                self._otherwise(server, "its log-probabilities are those before temperature and top_k")
            )
        served = model.root or model.id
        if Path(served).name != Path(self._model).name:
            raise ConfigError(f"{server.url} serves '{served}', not '{self._model}'")
        self._lengths[server.url], self._greeted_with[server.url] = model.max_model_len, weights

    def _otherwise(self, server: Server, found: str) -> str:
        return f"{server.url} was not started as it must be ({found}): start it like this\n{self._command(server)}"

    def _command(self, server: Server) -> ServerCommand:
        return ServerCommand(model=self._model, port=urlsplit(server.url).port or 8000)

    def _prove(self) -> None:
        self._proof = self.score([_PROBE], 1.0)[0]

    def _scored(self, server: Server, sequence: TokenSequence, temperature: float) -> tuple[float, ...]:
        found: list[float] = []
        for place, token in enumerate(sequence.token_ids):
            ids = (*sequence.prompt_token_ids, *sequence.token_ids[:place])
            logprob, tag = server.logprob(ids, token, temperature)
            if tag != self.tag:
                raise ServerLost(f"{server.url} has other weights than the current ones: it was started anew")
            found.append(logprob)
        return tuple(found)

    def _keep(self) -> None:
        """Look after the servers that are left out, in a thread of its own while there are any."""
        with self._changed:
            if self._closed or self._keeper or all(server.trouble is None for server in self._servers):
                return
            self._keeper = threading.Thread(target=self._take_back, daemon=True, name="rlvr vLLM servers")
            self._keeper.start()

    def _take_back(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed, _TRY_AGAIN_SECONDS)
            left_out = [server for server in self._servers if server.trouble is not None]
            for server in left_out if not self._closed else ():
                with self._syncing:
                    self._try_to_take_back(server)
            with self._changed:
                if self._closed or len(self._asked()) == len(self._servers):
                    self._keeper = None
                    return

    def _try_to_take_back(self, server: Server) -> None:
        """Give a server the current weights where it has others, and ask it again if it computes what others do."""
        try:
            self._greet(server)
            if server.weights() == self.tag and not server.spoiled:
                server.resume()
            elif self._file is not None:
                server.load(str(self._file.path), self._file.tag)
            else:
                raise ServerLost(f"{server.url} has other weights than the first ones: start it anew")
            apart = mean_difference(self._proof, self._scored(server, _PROBE, 1.0))
            trouble = (
                None
                if apart <= LARGEST_MEAN_DIFFERENCE
                else f"{server.url} computes something else than the others"
            )
        except (ServerLost, ServerLate, ServerRefused, ConfigError) as error:
            trouble = str(error)
        with self._changed:
            server.trouble = trouble
            self._changed.notify_all()
