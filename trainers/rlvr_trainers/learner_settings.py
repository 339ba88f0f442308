"""Settings of what learns: the model and its division among processes, batches, the optimizer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rlvr_gym.config import Config


class LoraConfig(Config):
    """Train a low-rank adapter (peft) instead of all weights."""

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"


class ModelConfig(Config):
    """The policy.

    `path` is a Hugging Face id, a local folder, or `tiny` for a small transformer created on the spot.
    `dtype` is what forward passes compute in, `weights_dtype` what weights are kept in.
    """

    path: str = Field(min_length=1)
    dtype: Literal["float32", "bfloat16"] = "float32"
    weights_dtype: Literal["float32", "bfloat16"] = "float32"
    """The format of weights and gradients. In bfloat16 the optimizer keeps 16 more bits of each weight, so that no
    update is lost."""
    float32_head: bool = True
    """With dtype=bfloat16, compute logits in float32, in training and in sampling with transformers: about a
    quarter less mismatch."""
    device: str = "auto"
    """The model's device: `auto` takes a GPU if there is one, else the CPU."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, more time."""
    compile: bool = False
    """Compile the decoder layers of training passes (torch.compile); the first passes of a run then take longer."""
    offload_activations: bool = False
    """Keep large activations in the CPU's memory until the backward pass. Needs a GPU."""
    lora: LoraConfig | None = None

    @model_validator(mode="after")
    def _formats_go_together(self) -> ModelConfig:
        if self.weights_dtype == "bfloat16" and self.dtype == "float32":
            raise ValueError(
                "weights_dtype=bfloat16 computes in bfloat16 too: set model.dtype=bfloat16, or leave weights in float32"
            )
        return self


class MeshConfig(Config):
    """The division of the model among the processes of a run.

    Every `shard` of them hold one replica together: each a part of the weights, gradients and optimizer states (native
    FSDP2), and a whole layer only while it is computed with. Gradients are those of one process.
    """

    shard: int = Field(default=1, ge=1)
    """Processes that a replica is split over; it divides their number. 1: each holds the whole model."""


class BatchConfig(Config):
    """One rollout step: `prompts` groups of `group_size` samples, then `epochs` x `minibatches` optimizer
    steps over them, each a plain sum over microbatches of at most `microbatch_tokens` padded tokens.
    """

    prompts: int = Field(default=32, ge=1, le=1_000_000)
    """Different prompts in a rollout step."""
    group_size: int = Field(default=16, ge=1, le=1_000_000)
    """Samples of each prompt, which are compared with one another."""
    minibatches: int = Field(default=1, ge=1)
    """Optimizer steps in one pass over a rollout step."""
    epochs: int = Field(default=1, ge=1)
    """Passes over the samples of a rollout step."""
    microbatch_tokens: Annotated[int, Field(ge=1)] | Literal["auto"] = 16384
    """Padded tokens of one forward and backward pass at most: lower it where memory runs out; `auto` measures a pass
    and stays below half of the memory that is available."""
    save_compute: bool = True
    """Compute what sequences begin with in common once, and leave those without gradient out of the backward pass, in
    steps large enough for it to pay."""

    @model_validator(mode="after")
    def _minibatches_divide(self) -> BatchConfig:
        if self.prompts % self.minibatches:
            fits = [d for d in range(1, self.prompts + 1) if self.prompts % d == 0]
            raise ValueError(
                f"{self.prompts} prompts do not divide into {self.minibatches} minibatches; "
                f"possible: {', '.join(map(str, fits))}"
            )
        return self

    @property
    def updates(self) -> int:
        """Optimizer steps per rollout step."""
        return self.epochs * self.minibatches


class OptimizerConfig(Config):
    """AdamW, with linear warm-up over `warmup_steps` optimizer steps and then `schedule`.

    `kind=adamw_8bit` keeps the moments of matrices in 8 bits a value: a quarter of their memory.
    """

    kind: Literal["adamw", "adamw_8bit"] = "adamw"
    learning_rate: float = Field(default=1e-6, gt=0, le=1)
    """AdamW's learning rate after its warm-up."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's decay rates of the first and second moment."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's decoupled weight decay."""
    warmup_steps: int = Field(default=0, ge=0)
    """Optimizer steps over which the learning rate rises linearly."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """Shape of the learning rate after its warm-up, until the last step."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """The norm that gradients are clipped to."""
