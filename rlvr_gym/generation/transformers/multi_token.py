"""A module that predicts one token more (DeepSeek-V3, arXiv 2412.19437, section 2.2, with D = 1), and its file.

With h the model's hidden states and E its embedding, a block of the model's own kind reads, at the place of token t_j,

    M [RMSNorm(h_{j-1}) ; RMSNorm(E(t_j))]

where h_{-1} is 0, and the model's own output embedding makes of what it says there a distribution of t_{j+1}: the
second token after the one that h_{j-1} is the state of. Embeddings are shared with the model and are not part of it.

Shapes: R rows of S tokens, H hidden.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.transformers.base import base_model, unwrapped

FILE = "multi_token.safetensors"
"""The file of the module, beside a model's weights."""


@final
class MultiTokenModule(nn.Module):
    """One block above a model, in float32, which begins at random weights that depend on `seed`."""

    def __init__(self, model: Any, *, seed: int = 0) -> None:
        super().__init__()
        base = base_model(model)
        size: int = base.config.get_text_config().hidden_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.join = nn.Linear(2 * size, size, bias=False)
            try:
                self.block: Any = type(base)(_of_one_layer(base.config))
            except (TypeError, ValueError, AttributeError, LookupError) as error:
                raise ConfigError(
                    f"no block of {type(base).__name__} can be made to predict one token more: {error}"
                ) from error
        self.block.set_input_embeddings(nn.Identity())
        self.state_norm, self.token_norm = nn.RMSNorm(size, eps=1e-6), nn.RMSNorm(size, eps=1e-6)
        self.float().eval()

    def inputs(self, before: Tensor, embedded: Tensor) -> Tensor:
        """The block's input at some tokens, of the states of the tokens `before` them and of their embeddings."""
        dtype = self.join.weight.dtype
        joined = torch.cat([self.state_norm(before.to(dtype)), self.token_norm(embedded.to(dtype))], dim=-1)
        return self.join(joined)

    def states(self, hidden: Tensor, embedded: Tensor, **positions: Tensor) -> Tensor:
        """The states (R, S, H) at all tokens of rows of one sequence each, from the model's own."""
        before = nn.functional.pad(hidden[:, :-1], (0, 0, 1, 0))
        read = self.block(
            inputs_embeds=self.inputs(before, embedded), use_cache=False, return_dict=True, **positions
        )
        return read.last_hidden_state

    def save(self, folder: Path) -> None:
        """Write the module beside a model's weights."""
        save_file(
            {name: w.detach().cpu().contiguous() for name, w in self.state_dict().items()}, folder / FILE
        )

    @classmethod
    def load(cls, model: Any, folder: Path) -> Self:
        """The module of a folder, for its model, where the model is. Raises ConfigError where there is none."""
        module = cls(model)
        try:
            module.load_state_dict(load_file(folder / FILE))
        except (OSError, RuntimeError, SafetensorError) as error:
            raise ConfigError(
                f"{folder} holds no module that predicts one token more ({FILE}: {error}); rlvr train mtp writes one"
            ) from error
        return module.to(next(model.parameters()).device)


def embedding_of(model: Any) -> Callable[[Tensor], Tensor]:
    """The model's embedding of token ids."""
    return unwrapped(model).get_input_embeddings()


def _of_one_layer(config: Any) -> Any:
    """The settings of a model with one layer of the last one's kind."""
    one = copy.deepcopy(config)
    one.num_hidden_layers = 1
    if getattr(one, "layer_types", None):
        one.layer_types = list(config.layer_types)[-1:]
    return one
