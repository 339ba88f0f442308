"""A model whose weights are spread over processes, written as an ordinary folder without any process holding it all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from rlvr_gym.generation.weights import whole
from rlvr_trainers.disk import DISK_ERRORS
from rlvr_trainers.learner.sharding import spread_as
from rlvr_trainers.mesh import others_needed

FILE_BYTES = 5 * 10**9
"""Largest size of one file, unless a single layer is larger. So much is held at a time."""

Part = list[tuple[str, Tensor]]


def ordinary_parts(model: Any, scorer: nn.Module) -> Iterator[Part]:
    """The parameters of the ordinary model, layer by layer, tied ones once, a LoRA adapter merged into its base.

    They stay spread over processes; all processes go through them together.
    """
    causal_lm = _causal_lm(model)
    layers = [module for module in causal_lm.modules() if isinstance(module, FSDPModule)]
    owners = {module: layer for layer in layers for module in layer.modules()}
    named: dict[Any, Part] = {layer: [] for layer in (*layers, scorer)}
    for name, weight in causal_lm.named_parameters():
        owner = owners.get(causal_lm.get_submodule(name.rpartition(".")[0]), scorer)
        named[owner].append((name, weight))
    wrapped = _wrapped(model)
    for layer, part in named.items():
        adapted = {module: name for name, module in wrapped if owners.get(module, scorer) is layer}
        merged = _merged(layer, list(adapted))
        yield [
            (name.replace(".base_layer.", "."), merged.get(weight, weight).detach())
            for name, weight in part
            if not _of_adapter(name, adapted.values())
        ]


def _causal_lm(model: Any) -> PreTrainedModel:
    return model if isinstance(model, PreTrainedModel) else model.get_base_model()


def _wrapped(model: Any) -> list[tuple[str, Any]]:
    """Modules that LoRA has wrapped, with their names."""
    if isinstance(model, PreTrainedModel):
        return []
    from peft.tuners.lora import LoraLayer

    return [
        (name, module) for name, module in _causal_lm(model).named_modules() if isinstance(module, LoraLayer)
    ]


def _of_adapter(name: str, adapted: Any) -> bool:
    """True for a parameter of a wrapped module that is not its base's."""
    within = next((outer for outer in adapted if name.startswith(f"{outer}.")), None)
    return within is not None and not name.startswith(f"{within}.base_layer.")


def _merged(layer: Any, adapted: Sequence[Any]) -> dict[Tensor, Tensor]:
    """The weight of each wrapped module's base, and what it is with the adapter in it: spread alike."""
    bases = {module: module.get_base_layer().weight for module in adapted}
    merged: dict[Tensor, Tensor] = {}
    if not bases:
        return merged
    layer.unshard()
    try:
        for module, base in bases.items():
            weight = module.get_base_layer().weight.detach()
            for adapter in module.active_adapters:
                weight = weight + module.get_delta_weight(adapter).detach()
            merged[base] = spread_as(base, weight)
    finally:
        layer.reshard()
    return merged


def write_folder(model: Any, scorer: nn.Module, folder: Path, *, writes: bool) -> None:
    """Write the ordinary model as `save_pretrained` does; all processes call it together, and one `writes`.

    At most a file's or a layer's weights are whole at a time. What goes wrong in writing is raised when all processes
    are through.
    """
    causal_lm = _causal_lm(model)
    parts = _with_buffers(causal_lm, ordinary_parts(model, scorer))
    failure: Exception | None = None
    files: list[tuple[Path, list[str]]] = []
    for weights in _gathered(parts, keeps=writes):
        if not writes or failure is not None:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f".weights-{len(files)}"
            stored = revert_weight_conversion(causal_lm, weights)
            save_file({name: weight.contiguous() for name, weight in stored.items()}, path, {"format": "pt"})
            files.append((path, list(stored)))
        except DISK_ERRORS as error:
            failure = error
    if failure is not None:
        raise failure
    if writes:
        _name_files(files, folder)
        _write_settings(causal_lm, folder)


def _with_buffers(causal_lm: PreTrainedModel, parts: Iterator[Part]) -> Iterator[Part]:
    """Add what a folder holds beside parameters, and leave out what it does not."""
    ignored = set(causal_lm._keys_to_ignore_on_save or ())
    stored = set(causal_lm.state_dict())
    for part in parts:
        yield [(name, weight) for name, weight in part if name not in ignored]
    yield [(name, buffer) for name, buffer in causal_lm.named_buffers() if name in stored - ignored]


def _gathered(parts: Iterator[Part], *, keeps: bool) -> Iterator[dict[str, Tensor]]:
    """Whole weights, those of one file at a time; nothing of them on processes that do not keep them."""
    held: dict[str, Tensor] = {}
    size = 0
    for part in parts:
        more = sum(weight.numel() * weight.element_size() for _, weight in part)
        if held and size + more > FILE_BYTES:
            yield held
            held, size = {}, 0
        for name, weight in part:
            with others_needed():
                gathered = whole(weight)
            if keeps:
                held[name] = gathered.cpu()
        size += more
    if held:
        yield held


def _name_files(files: Sequence[tuple[Path, list[str]]], folder: Path) -> None:
    """Give the files the names that readers look for, with an index where there are several."""
    if len(files) == 1:
        files[0][0].replace(folder / "model.safetensors")
        return
    index: dict[str, str] = {}
    total = 0
    for number, (path, names) in enumerate(files, 1):
        name = f"model-{number:05}-of-{len(files):05}.safetensors"
        total += path.stat().st_size
        path.replace(folder / name)
        index |= dict.fromkeys(names, name)
    told = {"metadata": {"total_size": total}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(told, indent=1), encoding="utf-8")


def _write_settings(causal_lm: PreTrainedModel, folder: Path) -> None:
    causal_lm.config.dtype = str(causal_lm.dtype).removeprefix("torch.")
    causal_lm.config.architectures = [type(causal_lm).__name__]
    causal_lm.config.save_pretrained(folder)
    if causal_lm.can_generate() and causal_lm.generation_config is not None:
        causal_lm.generation_config.save_pretrained(folder)
