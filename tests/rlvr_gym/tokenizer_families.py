"""Small tokenizers in the shape of well-known families: what they add, how they split text, their chat template."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

CORPUS = (
    "What is 12 + 30? The answer is 42.\n\nYou are a helpful assistant.  Say so:\n- yes\n- no\n",
    "user assistant system tool model think end start message question, higher lower guess <table> im_end\n",
)


@dataclass(frozen=True, kw_only=True)
class Family:
    """`control` and `plain` are the added tokens that are special and those that are not."""

    template: str | None
    control: tuple[str, ...]
    plain: tuple[str, ...] = ()
    ordinary: tuple[str, ...] = ()
    """Added tokens of the model's own vocabulary that are text, not control."""
    kind: str = "bytes"
    end: str


CHATML = (
    "{% for m in messages %}{% set c = m.content %}{% if m.role == 'assistant' and '</think>' in c %}"
    "{% set c = c.split('</think>')[-1].lstrip('\n') %}{% endif %}"
    "{{ '<|im_start|>' + m.role + '\n' + c + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
FAMILIES = {
    "ChatML": Family(
        template=CHATML,
        control=("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        plain=("<think>", "</think>", "<tool_call>", "</tool_call>"),
        end="<|im_end|>",
    ),
    "ChatML that opens the thinking": Family(
        template=CHATML.replace("assistant\n' }}", "assistant\n<think>\n' }}"),
        control=("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        plain=("<think>", "</think>"),
        end="<|im_end|>",
    ),
    "Llama 3": Family(
        template="{{ bos_token }}{% for m in messages %}"
        "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}"
        "{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
        control=("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        end="<|eot_id|>",
    ),
    "Mistral": Family(
        template="{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}"
        "{{ ' ' + m.content + eos_token }}{% else %}{{ '[INST] ' + m.content + ' [/INST]' }}{% endif %}{% endfor %}",
        control=("<s>", "</s>", "[INST]", "[/INST]"),
        kind="pieces",
        end="</s>",
    ),
    "Gemma": Family(
        template="{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + "
        "('model' if m.role == 'assistant' else m.role) + '\n' + m.content | trim + '<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
        control=("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        ordinary=("\n\n", "<table>"),
        kind="gemma",
        end="<end_of_turn>",
    ),
    "Phi": Family(
        template="{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
        control=("<s>", "<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|tool|>", "<|end|>"),
        kind="pieces",
        end="<|end|>",
    ),
    "DeepSeek": Family(
        template="{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}"
        "{{ '<｜Assistant｜>' + m.content + eos_token }}{% else %}{{ '<｜User｜>' + m.content }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\n' }}{% endif %}",
        control=("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
        plain=("<｜User｜>", "<｜Assistant｜>", "<｜tool▁calls▁begin｜>", "<think>", "</think>"),
        end="<｜end▁of▁sentence｜>",
    ),
    "gpt-oss": Family(
        template="{% for m in messages %}{% if m.role == 'assistant' %}"
        "{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|return|>' }}{% else %}"
        "{{ '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}",
        control=("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>", "<|call|>"),
        end="<|return|>",
    ),
    "unigram": Family(
        template="{% for m in messages %}{{ m.role + ': ' + m.content + eos_token }}{% endfor %}",
        control=("<pad>", "</s>"),
        kind="unigram",
        end="</s>",
    ),
    "no template": Family(template=None, control=("<s>", "</s>"), plain=("<tool_call>",), end="</s>"),
}


@cache
def _trained(kind: str, own: tuple[str, ...]) -> str:
    """A tokenizer of that kind as JSON, `own` being in its vocabulary."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    match kind:
        case "bytes":
            tokenizer = Tokenizer(models.BPE(ignore_merges=True))
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            tokenizer.decoder = decoders.ByteLevel()
        case "unigram":
            tokenizer = Tokenizer(models.Unigram())
            tokenizer.normalizer = normalizers.NFKC()
            tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
            tokenizer.decoder = decoders.Metaspace()
        case _:
            tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
            spaces = normalizers.Replace(" ", "▁")
            first = [normalizers.Prepend("▁")] if kind == "pieces" else []
            tokenizer.normalizer = normalizers.Sequence([*first, spaces])
            strip = [decoders.Strip(" ", 1, 0)] if first else []
            tokenizer.decoder = decoders.Sequence(
                [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
            )
    letters = [chr(code) for code in range(33, 127)] + ["▁", "\n", "｜"]
    if kind == "unigram":
        trainer = trainers.UnigramTrainer(
            vocab_size=300, special_tokens=["<unk>", *own], unk_token="<unk>", initial_alphabet=letters
        )
    else:
        byte_tokens = [] if kind == "bytes" else ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
        trainer = trainers.BpeTrainer(
            vocab_size=1000,
            special_tokens=[*byte_tokens, *own],
            initial_alphabet=alphabet if kind == "bytes" else letters,
            show_progress=False,
        )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer.to_str()


def tokenizer_of(name: str) -> PreTrainedTokenizerFast:
    """A new tokenizer of the family."""
    wrapped = made(FAMILIES[name])
    if name == "no template":
        tokenizer = wrapped.backend_tokenizer
        bos = tokenizer.token_to_id("<s>")
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", bos)]
        )
    return wrapped


def made(family: Family) -> PreTrainedTokenizerFast:
    """A new tokenizer in the shape of a family."""
    # Byte-level families add control tokens after the vocabulary, the others hold them in it.
    own = () if family.kind == "bytes" else (*family.control, *family.ordinary)
    tokenizer = Tokenizer.from_str(_without_added_tokens(_trained(family.kind, own)))
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in family.control]
    )
    others = (*family.ordinary, *family.plain)
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in others])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=family.control[0],
        eos_token=family.end,
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = family.template
    return wrapped


def _without_added_tokens(state: str) -> str:
    return json.dumps({**json.loads(state), "added_tokens": []})


def control_ids(name: str, tokenizer: PreTrainedTokenizerFast, ids: Sequence[int]) -> list[int]:
    """Pick the ids that control a model of this family."""
    family = FAMILIES[name]
    control = {tokenizer.get_vocab()[text] for text in (*family.control, *family.plain)}
    return [id for id in ids if id in control]
