"""A small transformer created on the spot, with nothing to download: for quickstarts and tests."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from rlvr_gym.errors import ConfigError
from rlvr_gym.seeding import derive_seed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

PRINTABLE = "\n" + "".join(sorted(string.digits + string.ascii_letters + string.punctuation + " "))
"""Newline and the 95 printable ASCII characters."""


_SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<unk>")


def tiny_model(
    *,
    seed: int,
    layers: int = 2,
    hidden: int = 64,
    heads: int = 4,
    context: int = 256,
    alphabet: str = PRINTABLE,
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A randomly initialised GPT-2-style model, about 120,000 parameters by default, and its tokenizer.

    One token a character. A model that starts from nothing finds a rewarded answer by chance, so the smaller
    the `alphabet`, the sooner it learns: two digits are guessed once in 14 ** 2 tries with the ten digits
    (and four special tokens), once in 100 ** 2 with all printable ones. Characters outside it are `<unk>`.
    Positions are learned and weights begin at 0.1, not GPT-2's 0.02: so small a model then learns to copy
    and to reverse several times sooner. Equal arguments give equal weights; the global random state is left
    as it was.
    """
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    if hidden % heads:
        raise ConfigError(f"a hidden size of {hidden} cannot be shared by {heads} heads")
    tokenizer = character_tokenizer(alphabet, context=context)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=context,
        n_embd=hidden,
        n_layer=layers,
        n_head=heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own `gelu_new`, in one operation
        initializer_range=0.1,
        bos_token_id=_SPECIAL_TOKENS.index("<bos>"),
        eos_token_id=_SPECIAL_TOKENS.index("<eos>"),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed("tiny", seed))
        model = GPT2LMHeadModel(config)
    return model.eval(), tokenizer


def character_tokenizer(alphabet: str = PRINTABLE, *, context: int = 256) -> PreTrainedTokenizerFast:
    """One token per character of `alphabet`, the first of them with id 4, after the special tokens."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from rlvr_gym.generation.chat import PLAIN_TEMPLATE

    if not alphabet or len(set(alphabet)) != len(alphabet):
        raise ConfigError(f"an alphabet is one or more different characters, not {alphabet!r}")
    vocabulary = {token: index for index, token in enumerate((*_SPECIAL_TOKENS, *alphabet))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = PLAIN_TEMPLATE
    return wrapped
