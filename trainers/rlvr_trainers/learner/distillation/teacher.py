"""The teacher: a frozen model whose distributions a student is drawn to, if they are over the student's tokens."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from transformers import PreTrainedTokenizerBase

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.chat import encode_prompt
from rlvr_gym.generation.prompts import end_of_sequence_ids
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Message
from rlvr_trainers.learner.policy import LoadedModel, Policy
from rlvr_trainers.learner_settings import ModelConfig
from rlvr_trainers.mesh import Mesh

_TEXT = (
    "What is 12,345 + 678.9?\n\tdef f(x): return x**2  # naïve — “quoted”\r\n"
    "Größe 東京 Москва ½ 🙂 isn't  two  spaces   three e\u0301 \u00a0 http://a.b/c?d=1&e=2 <b>A</b> {} []\n\n"
)
"""Digits, spaces, scripts, combining marks and code: what tokenizers of one vocabulary still cut differently."""
_SYSTEM, _USER, _REPLY = (
    Message(role="system", content="Be brief."),
    Message(role="user", content="12>"),
    Message(role="assistant", content="21"),
)
_CONVERSATIONS = ((_USER,), (_USER, _REPLY, _USER), (_SYSTEM, _USER))


def load_teacher(
    source: str,
    student: ModelConfig,
    *,
    seed: int,
    loaded: LoadedModel | None = None,
    mesh: Mesh | None = None,
) -> Policy:
    """The frozen model of `source`, or a copy of one that is at hand, computing in the student's format.

    It is kept in that format too: weights that no optimizer adds to lose nothing by it. In a run whose `mesh` is
    sharded it is whole until `shard`.
    """
    config = ModelConfig(
        path=source,
        dtype=student.dtype,
        weights_dtype=student.dtype,
        float32_head=student.float32_head,
        device=student.device,
    )
    if loaded is not None:  # whoever gave it may go on using it as it is
        loaded = copy.deepcopy(loaded[0]), loaded[1]
    teacher = Policy(config, seed=derive_seed("teacher", seed), loaded=loaded, mesh=mesh)
    teacher.model.requires_grad_(False)
    return teacher


def refuse_another_tokenizer(student: Policy, teacher: Policy) -> None:
    """Raise ConfigError, naming the first difference, unless a token id is the same to both models.

    The same ids, special tokens (but for padding, which nobody reads), encoding of texts and chat template. The tokens
    that end the teacher's turns must end the student's, or it would learn to say them and go on.
    """
    difference = next(_differences(student, teacher), None)
    if difference is not None:
        raise ConfigError(
            f"algorithm.teacher={teacher.config.path} has another tokenizer than the student: {difference}. Its "
            "probabilities would be of other tokens; choose a teacher of the student's family, or learn from its "
            "samples (rlvr eval, then rlvr train sft data.runs=[FOLDER])"
        )


def _differences(student: Policy, teacher: Policy) -> Iterator[str]:
    """All that is different, from what decides most."""
    one, other = student.tokenizer, teacher.tokenizer
    yield from _other_ids(one, other)
    yield from _other_specials(one, other)
    yield from _other_texts(one, other)
    yield from _other_conversations(one, other)
    ends, taught_ends = (
        end_of_sequence_ids(model.tokenizer, model.model.generation_config) for model in (student, teacher)
    )
    for id in sorted(taught_ends - ends):
        yield f"{_token(other, id)} ends the teacher's turns and not the student's"
    most = max(one.get_vocab().values())
    for name, model in (("student", student), ("teacher", teacher)):
        width = _width(model)
        if width <= most:
            yield f"the {name}'s head has {width} logits, too few for token id {most}"
    if _width(student) > _width(teacher):
        yield (
            f"the student may say any of {_width(student)} ids, and the teacher reads {_width(teacher)} "
            "(model.resize_token_embeddings makes them equal)"
        )


def _other_ids(one: PreTrainedTokenizerBase, other: PreTrainedTokenizerBase) -> Iterator[str]:
    mine, theirs = ({id: token for token, id in t.get_vocab().items()} for t in (one, other))
    for id in sorted({*mine, *theirs}):
        if mine.get(id) != theirs.get(id):
            first, second = (repr(ids[id]) if id in ids else "no token" for ids in (mine, theirs))
            yield f"token id {id} is {first} to the student and {second} to the teacher"


def _other_specials(one: PreTrainedTokenizerBase, other: PreTrainedTokenizerBase) -> Iterator[str]:
    for name in ("bos_token", "eos_token", "unk_token"):
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine != theirs:
            yield f"{name} is {mine!r} to the student and {theirs!r} to the teacher"
    for id in sorted({*one.all_special_ids} ^ {*other.all_special_ids}):
        if id in (one.pad_token_id, other.pad_token_id):
            continue
        whose = "student" if id in one.all_special_ids else "teacher"
        yield f"{_token(one, id)} is a special token to the {whose} alone"


def _other_texts(one: PreTrainedTokenizerBase, other: PreTrainedTokenizerBase) -> Iterator[str]:
    for special in (False, True):
        mine, theirs = (t.encode(_TEXT, add_special_tokens=special) for t in (one, other))
        if mine != theirs:
            yield f"the same text is encoded differently, {_first_difference(one, mine, theirs)}"


def _other_conversations(one: PreTrainedTokenizerBase, other: PreTrainedTokenizerBase) -> Iterator[str]:
    for messages in _CONVERSATIONS:
        mine, theirs = _encoded(one, messages), _encoded(other, messages)
        if mine == theirs:
            continue
        roles = ", ".join(message.role for message in messages)
        if mine is None or theirs is None:
            whose = "student's" if mine is None else "teacher's"
            yield f"the {whose} chat template alone refuses a conversation of the roles {roles}"
        else:
            told = _first_difference(one, mine, theirs)
            yield f"the chat templates write a conversation of the roles {roles} differently, {told}"


def _encoded(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> tuple[int, ...] | None:
    """The ids of a conversation; None where the template refuses it."""
    try:
        return encode_prompt(tokenizer, messages)
    except ConfigError:
        return None


def _first_difference(tokenizer: PreTrainedTokenizerBase, mine: Sequence[int], theirs: Sequence[int]) -> str:
    place, first, second = next(
        (place, *pair) for place, pair in enumerate(zip_longest(mine, theirs)) if pair[0] != pair[1]
    )
    told = ("nothing" if id is None else _token(tokenizer, id) for id in (first, second))
    return f"from token {place} on: {' for the student, '.join(told)} for the teacher"


def _token(tokenizer: PreTrainedTokenizerBase, id: int) -> str:
    return f"{tokenizer.convert_ids_to_tokens(id)!r} (id {id})"


def _width(model: Policy) -> int:
    return int(model.model.get_output_embeddings().weight.shape[0])
