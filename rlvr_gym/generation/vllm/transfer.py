"""New weights inside of vLLM's workers: a backend of its weight transfer that takes them whole.

vLLM imports this module in each worker where it is told `worker_extension_cls=EXTENSION` and
`weight_transfer_config={"backend": BACKEND}`. Weights arrive as tensors of the same process, or as the path of a
safetensors file that the worker can read (in shared memory on one machine, in a shared folder between machines).
"""

# vLLM has an environment of its own, where these tests run: the linter's lacks it.
# pyright: reportMissingImports=false
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from vllm.distributed.weight_transfer import WeightTransferEngine, WeightTransferEngineFactory
from vllm.distributed.weight_transfer.base import WeightTransferInitInfo, WeightTransferUpdateInfo
from vllm.model_executor.layers.vocab_parallel_embedding import UnquantizedEmbeddingMethod
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload
from vllm.model_executor.model_loader.reload.layerwise import _place_kernel_tensors, get_layerwise_info

from rlvr_gym.generation.vllm.names import BACKEND

_NAMED = 5


@dataclass
class NoInit(WeightTransferInitInfo):
    """Nothing has to be agreed on before."""


@dataclass
class WholeUpdate(WeightTransferUpdateInfo):
    """All weights: `tensors` by name, or the `path` of a file of them."""

    tensors: dict[str, Tensor] | None = None
    path: str | None = None


class WholeWeights(WeightTransferEngine[NoInit, WholeUpdate]):
    """Loads a whole update, or fails and leaves the model in working order (with weights that nobody should use)."""

    init_info_cls = NoInit
    update_info_cls = WholeUpdate
    _tied: frozenset[str] = frozenset()
    """Parameters that are another one under a second name, as of a head that is the embedding: they get no values."""

    def init_transfer_engine(self, init_info: NoInit) -> None:
        """Nothing to do."""

    def start_weight_update(self) -> None:
        """Prepare every layer for new weights."""
        # An earlier update that broke off left layers half prepared, which would count its weights once more.
        _give_up_reload(self.model)
        # While a reload is prepared every layer has tensors of its own, and what is tied cannot be told.
        second = _names(self.model, twice=True) - _names(self.model)
        self._tied = frozenset(name for name in second if _is_plain(_layer(self.model, name)))
        initialize_layerwise_reload(self.model)

    def update_weights(self, update_info: dict[str, object]) -> None:
        """Load the weights."""
        self.receive_weights(self.parse_update_info(update_info))
        # The base class waits for the accelerator also where there is none, which fails.
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()

    def receive_weights(self, update_info: WholeUpdate) -> None:
        """Load the weights; raises RuntimeError where some of the model's got none."""
        try:
            weights = load_file(update_info.path) if update_info.path else update_info.tensors or {}
            wanted = _names(self.model) - self._tied
            loaded = self.model.load_weights(weights.items())
            lacking = sorted(wanted - loaded) if loaded is not None else []
            if lacking:
                raise RuntimeError(
                    f"{len(lacking)} of the engine's weights got no values, such as {', '.join(lacking[:_NAMED])}"
                )
        except BaseException:
            _give_up_reload(self.model)
            raise

    def finish_weight_update(self) -> None:
        """Put the last layers in their places."""
        finalize_layerwise_reload(self.model, self.model_config)
        for name in self._tied:
            # On a CPU it computes with a packed copy, which nothing else has made anew.
            layer = _layer(self.model, name)
            layer.quant_method.process_weights_after_loading(layer)

    def shutdown(self) -> None:
        """Nothing is held."""


def _names(model: nn.Module, *, twice: bool = False) -> set[str]:
    """Names of the parameters; `twice` adds those that are another one's second name."""
    return {name for name, _ in model.named_parameters(remove_duplicate=not twice)}


def _layer(model: nn.Module, parameter: str) -> Any:
    return model.get_submodule(parameter.rpartition(".")[0])


def _is_plain(layer: Any) -> bool:
    """True for an embedding, or a head, of which nothing is quantised."""
    return isinstance(getattr(layer, "quant_method", None), UnquantizedEmbeddingMethod)


def _give_up_reload(model: nn.Module) -> None:
    """Undo what `initialize_layerwise_reload` prepared: layers that took no new weights get their tensors back."""
    for layer in model.modules():
        info = get_layerwise_info(layer)
        if info.can_load():
            _place_kernel_tensors(layer, info)
            info.reset()


if BACKEND not in WeightTransferEngineFactory._registry:
    WeightTransferEngineFactory.register_engine(BACKEND, WholeWeights)


class WorkerExtension:
    """Mixed into vLLM's workers; being imported is what it is for."""

    def rlvr_weights_file_is_seen(self, path: str) -> bool:
        """Return whether this worker sees a file that the trainer wrote."""
        return Path(path).is_file()
