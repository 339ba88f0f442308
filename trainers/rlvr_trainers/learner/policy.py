"""The model being trained, and the frozen one it may be held close to."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from logging import getLogger
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar, final

import torch
from torch.distributed.device_mesh import DeviceMesh
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.chat import TurnFrame, turn_frame
from rlvr_gym.generation.loading import load_model, without_progress_bars
from rlvr_gym.generation.prompts import TokenPrompts, end_of_sequence_ids
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.generation.transformers.head import compute_head_in_float32
from rlvr_gym.generation.transformers.multi_token_draft import MTP, MultiTokenDraft
from rlvr_gym.generation.transformers.speculative import Draft
from rlvr_gym.generation.weights import whole
from rlvr_gym.memory import peak_memory_bytes
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.disk import writing
from rlvr_trainers.learner.layout import plan
from rlvr_trainers.learner.layout.budget import token_budget
from rlvr_trainers.learner.layout.hidden_states import Bundles, predicting_states
from rlvr_trainers.learner.layout.plan import Planner
from rlvr_trainers.learner.layout.sharing import Operations, mask_kind, operations
from rlvr_trainers.learner.logprobs import base_model, token_logprobs
from rlvr_trainers.learner.model_folder import ordinary_parts, write_folder
from rlvr_trainers.learner.preparing import (
    checkpoint_gradients,
    device_named,
    keep_weights_in_bfloat16,
    own_memory,
    with_lora,
    without_padding_advice,
)
from rlvr_trainers.learner.sharding import (
    Scorer,
    gathering,
    give_back,
    measured_pass,
    spread,
    sum_over_replicas,
    take_weights,
    without_weights,
)
from rlvr_trainers.learner.shards import load_shards, save_shards
from rlvr_trainers.learner.training_pass import (
    activations_on_cpu,
    compile_layers,
    compiled_layers,
    refuse_offload_on_a_cpu,
)
from rlvr_trainers.learner_settings import ModelConfig
from rlvr_trainers.mesh import Mesh, others_needed

T = TypeVar("T")
LoadedModel = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@final
class Policy:
    """A causal LM with its tokenizer, in weights of `config.weights_dtype`, computing in `config.dtype`.

    Dropout is off in sampling and in training alike, so that both see the same distribution. It is the model that
    `config` names, or `loaded` where one is at hand; from `checkpoint` where there is one. In a run whose `mesh` is
    sharded it is a whole model on the CPU until `shard`; from then on, all processes call together what computes with
    the weights or writes them.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        seed: int,
        checkpoint: Path | None = None,
        loaded: LoadedModel | None = None,
        mesh: Mesh | None = None,
    ) -> None:
        self.config, self.mesh = config, mesh or Mesh()
        self.device = device_named(config.device)
        self._scorer: Scorer | None = None
        """Computes with weights that are spread over processes; None while this process holds them all."""
        self._blank: Any = None
        """The model without weights, to make copies of."""
        self._operations: Operations | None = None
        """Counted while the model was whole; None where it still is."""
        source = config.path if checkpoint is None or config.lora else str(checkpoint)
        getLogger("transformers.modeling_utils").addFilter(without_padding_advice)
        with without_progress_bars():
            if loaded is None or source != config.path:
                loaded = load_model(source, "float32", seed=seed)
            model, self.tokenizer = loaded[0].float(), loaded[1]
            if config.weights_dtype == "bfloat16":
                keep_weights_in_bfloat16(model)
            self.model: Any = (
                model if config.lora is None else with_lora(model, config.lora, checkpoint, seed)
            )
        base_model(self.model)
        if config.dtype == "bfloat16" and config.float32_head:
            compute_head_in_float32(self.model)
        own_memory(self.model)
        if not self.mesh.sharded:
            self.model.to(self.device)
        self.model.eval()
        if config.gradient_checkpointing:
            checkpoint_gradients(self.model)
        if config.compile:
            compile_layers(self.model, self.device)
        if config.offload_activations:
            refuse_offload_on_a_cpu(self.device)

    def shard(self) -> None:
        """Keep this process's part of the weights where the run's mesh says so, and give up the others'."""
        if self.mesh.sharded:
            self._operations = operations(base_model(self.model))
            self._blank = without_weights(self.model)
            self._scorer = spread(self.model, self.mesh.devices(self.device.type))

    @property
    def spread_over(self) -> DeviceMesh | None:
        """The processes that the weights are spread over; None while this process holds them all."""
        return None if self._scorer is None else self.mesh.devices(self.device.type)

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """The parameters that the optimizer trains."""
        return [p for p in self.model.parameters() if p.requires_grad]

    @property
    def context(self) -> int | None:
        """Largest number of tokens that the model reads; None where its config names none."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    @property
    def end_id(self) -> int:
        """The token that ends a turn. Raises ConfigError where there is none."""
        return self.turn_frame.end_id

    @property
    def turn_frame(self) -> TurnFrame:
        """The tokens around a turn that the policy is shown. Raises ConfigError where no token could end it."""
        return turn_frame(self.tokenizer, end_of_sequence_ids(self.tokenizer, self.model.generation_config))

    def text(self, ids: Sequence[int]) -> str:
        """Say what sampled ids say, special tokens included, without the token that ended the turn."""
        return TokenPrompts(self.tokenizer, self.model.generation_config, None).text(ids)

    def generator(self, draft: Draft | MultiTokenDraft | None = None) -> TransformersGenerator:
        """A sampler on these very weights."""
        dtype = getattr(torch, self.config.dtype)
        return TransformersGenerator(self.model, self.tokenizer, dtype=dtype, draft=draft)

    def generator_apart(self, draft: Draft | MultiTokenDraft | None = None) -> TransformersGenerator:
        """A sampler on a copy of these weights, which it keeps until it is given others."""
        model = copy.deepcopy(self.model).to(self.device)
        model = model.merge_and_unload() if self.config.lora else model
        dtype = getattr(torch, self.config.dtype)
        return TransformersGenerator(model.requires_grad_(False), self.tokenizer, dtype=dtype, draft=draft)

    def draft(self, path_or_id: str, tokens: int) -> Draft | MultiTokenDraft:
        """Load a model that drafts so many tokens at a time for this one, and computes as this one does.

        `mtp` is the module beside this one's own weights, which drafts one.
        """
        if path_or_id == MTP:
            return MultiTokenDraft.load(self.model, self.config.path)
        with without_progress_bars():
            model, tokenizer = load_model(path_or_id, self.config.weights_dtype)
        model.requires_grad_(False).to(self.device)  # pyright: ignore[reportArgumentType] - the stub knows modules only
        return Draft(model=model, tokenizer=tokenizer, tokens=tokens)

    def logprobs(
        self,
        batch: TokenBatch,
        *,
        temperature: float,
        with_entropy: bool = False,
        bundles: Bundles | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Log-probabilities (B, T) of the batch's completion tokens, and their entropies when asked for."""
        how: dict[str, Any] = {"temperature": temperature, "with_entropy": with_entropy, "bundles": bundles}
        with self.training_pass():
            return self.computing(lambda model: token_logprobs(model, batch, **how))

    def computing(self, compute: Callable[[Any], T], *, keeps: bool = False) -> T:
        """Compute something with the model as one pass; all processes do so together where weights are spread.

        After a pass without gradients that `keeps` it, the head stays at hand, and embeddings do, until `let_go`.
        """
        return compute(self.model) if self._scorer is None else gathering(self._scorer, compute, keeps=keeps)

    def let_go(self) -> None:
        """Give back what a pass kept at hand."""
        if self._scorer is not None:
            give_back(self._scorer)

    def last_pass(self, last: bool) -> None:
        """Say whether the next backward pass is the last before the gradients are used.

        Sums over shards are needed after each, sums over replicas once.
        """
        sum_over_replicas(self._scorer, last)

    def planner(self, budget_tokens: int, *, part: int, parts: int) -> Planner:
        """Plan what this model computes together, and what each of so many processes computes."""
        base = base_model(self.model)
        return Planner(
            budget_tokens=budget_tokens,
            operations=self._operations or operations(base),
            mask=partial(mask_kind, base, states=self._states),
            worth=plan.WORTH_OPERATIONS,
            part=part,
            parts=parts,
        )

    def _states(self, base: PreTrainedModel, batch: TokenBatch, bundles: Bundles | None) -> torch.Tensor:
        return self.computing(lambda _: predicting_states(base, batch, bundles))

    def token_budget(self, *, optimizer_bytes: int | None = None) -> int:
        """Padded tokens that a training pass can have in the memory there is, by one measured pass."""
        head = self.model.get_output_embeddings().weight
        parts = None if self._scorer is None else measured_pass(self._scorer)
        with self._autocast(), others_needed(alone=True):
            return token_budget(base_model(self.model), head, optimizer_bytes=optimizer_bytes, spread=parts)

    def frozen_copy(self) -> Policy:
        """The policy as it is now, never to change."""
        twin = copy.copy(self)
        if self._scorer is None:
            twin.model = copy.deepcopy(self.model).requires_grad_(False)
        else:
            twin.model = copy.deepcopy(self._blank).requires_grad_(False)
            twin._scorer = spread(twin.model, self.mesh.devices(self.device.type))
            take_weights(twin.model, self.model)
        return twin

    def layers_apart(self) -> tuple[PreTrainedModel, Scorer | None]:
        """A copy of the layers below the head, trained as the policy's are, and what computes with spread ones."""
        own = base_model(self.model)
        if self._scorer is None:
            return copy.deepcopy(own), None
        base = base_model(copy.deepcopy(self._blank))
        scorer = spread(base, self.mesh.devices(self.device.type), base=lambda base: base)
        take_weights(base, own)
        return base, scorer

    def keep_reference(self, path: Path) -> None:
        """Write the weights that KL will be measured to: a file, or a folder of parts where they are spread."""
        with writing("the reference model", path.parent):
            if self._scorer is not None:
                save_shards(dict(self.model.named_parameters()), path.with_suffix(""))
            elif self.mesh.first:
                torch.save(self.model.state_dict(), path)

    def load_reference(self, path: Path) -> None:
        """Take those weights, which must not be spread yet."""
        own = dict(self.model.named_parameters())
        parts = path.with_suffix("")
        try:
            if parts.is_dir():
                load_shards(parts, lambda name, _: own[name].data)
            else:
                self.model.load_state_dict(torch.load(path, weights_only=True))
        except (OSError, EOFError, RuntimeError, KeyError, UnpicklingError) as error:
            raise TrainingError(
                f"cannot read {path}, the model that KL is measured to, which this run began with: {error}; "
                "a new run in another run.dir makes its own"
            ) from error

    def save(self, folder: Path) -> None:
        """Write weights (the adapter alone with LoRA) and tokenizer in Hugging Face's format."""
        if self._scorer is not None and self.config.lora is None:
            self.save_merged(folder)
            return
        with without_progress_bars():
            adapter = self._gathered_adapter()
            if self.mesh.first or adapter is None:
                self.model.save_pretrained(folder, state_dict=adapter)
                self.tokenizer.save_pretrained(folder)

    def save_merged(self, folder: Path) -> None:
        """Write an ordinary model folder, a LoRA adapter merged into its base."""
        with without_progress_bars():
            if self._scorer is None:
                self.merged().save_pretrained(folder)
            else:
                write_folder(self.model, self._scorer, folder, writes=self.mesh.first)
            if self.mesh.first or self._scorer is None:
                self.tokenizer.save_pretrained(folder)

    def merged_parameters(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Name the parameters of the ordinary model, tied ones once, a LoRA adapter merged into its base.

        Those of a sharded model stay spread over processes (`rlvr_gym.generation.weights.whole` gathers one).
        """
        if self._scorer is None:
            yield from self.merged().named_parameters()
            return
        for part in ordinary_parts(self.model, self._scorer):
            yield from part

    def _gathered_adapter(self) -> dict[str, torch.Tensor] | None:
        """The whole LoRA adapter where weights are spread, which is small; None where it is whole in the model."""
        if self._scorer is None:
            return None
        with others_needed():
            return {
                name: whole(p.detach()).cpu() for name, p in self.model.named_parameters() if p.requires_grad
            }

    def merged(self) -> Any:
        """The ordinary model: this one, or a copy in which a LoRA adapter is merged into its base."""
        return copy.deepcopy(self.model).merge_and_unload() if self.config.lora else self.model

    def peak_memory_bytes(self) -> int:
        """The most memory this process has held: the accelerator's where one is used, else resident memory."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return peak_memory_bytes()

    @contextmanager
    def training_pass(self) -> Iterator[None]:
        """Compute as `config` says: in its format, with compiled layers, with activations where it keeps them."""
        with self._autocast(), compiled_layers(self.config.compile), self._activations():
            yield

    def _activations(self) -> AbstractContextManager[object]:
        offloads = self.config.offload_activations and torch.is_grad_enabled()
        return activations_on_cpu() if offloads else nullcontext()

    @contextmanager
    def _autocast(self) -> Iterator[None]:
        # Weights in bfloat16 are computed with as they are, here and in the sampler.
        lower = self.config.dtype == "bfloat16" and self.config.weights_dtype == "float32"
        # A cache of converted weights would keep all layers whole until the end of the pass.
        cached = self._scorer is None
        with torch.autocast(self.device.type, torch.bfloat16, enabled=lower, cache_enabled=cached):
            yield
