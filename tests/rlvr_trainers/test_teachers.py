"""Teachers: which of them say anything about a student's tokens, and that nothing ever changes one."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.learner.distillation.teacher import load_teacher, refuse_another_tokenizer
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner_settings import ModelConfig
from tokenizers import Tokenizer, decoders, normalizers
from transformers import PreTrainedTokenizerFast

from rlvr_gym import ConfigError
from rlvr_gym.generation.loading import load_model, weights_hash
from rlvr_gym.generation.tiny import tiny_model

ALPHABET = "0123456789>ab"
STUDENT = ModelConfig(path=f"tiny:{ALPHABET}")
TEMPLATE = "{% for m in messages %}{{ m['role'][:1] }}{{ m['content'] }}{{ eos_token }}{% endfor %}"
THINKING = TEMPLATE + "{% if add_generation_prompt %}a{% endif %}"
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}" + TEMPLATE


def tokenizer(**changes: Any) -> PreTrainedTokenizerFast:
    """A student's tokenizer, with some of it changed in its file, and what transformers adds to that."""
    _, own = tiny_model(seed=0, alphabet=changes.pop("alphabet", ALPHABET))
    written = json.loads(own.backend_tokenizer.to_str())
    swapped: tuple[str, str] | None = changes.pop("swapped", None)
    if swapped is not None:
        ids = written["model"]["vocab"]
        ids[swapped[0]], ids[swapped[1]] = ids[swapped[1]], ids[swapped[0]]
    backend = Tokenizer.from_str(json.dumps(written))
    normalizer = changes.pop("normalizer", None)
    if normalizer is not None:
        backend.normalizer = normalizer
    backend.decoder = decoders.Fuse()
    template = changes.pop("chat_template", None)
    named = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    made = PreTrainedTokenizerFast(tokenizer_object=backend, **named | changes)
    made.chat_template = template
    return made


def model_with(tokens: PreTrainedTokenizerFast, *, seed: int = 0, **settings: Any) -> Policy:
    model, _ = tiny_model(seed=seed, alphabet=ALPHABET)
    if (missing := len(tokens) - model.config.vocab_size) > 0:
        model.resize_token_embeddings(model.config.vocab_size + missing)
    for name, value in settings.items():
        setattr(model.generation_config, name, value)
    return Policy(STUDENT, seed=seed, loaded=(model, tokens))


def test_the_same_tokenizer_is_no_other_one() -> None:
    refuse_another_tokenizer(model_with(tokenizer()), model_with(tokenizer(), seed=1))
    with_template = {"chat_template": TEMPLATE}
    refuse_another_tokenizer(model_with(tokenizer(**with_template)), model_with(tokenizer(**with_template)))


def test_padding_is_the_business_of_each() -> None:
    """Nobody reads it: models of one family name other tokens for it, or none."""
    refuse_another_tokenizer(model_with(tokenizer()), model_with(tokenizer(pad_token="<eos>")))
    refuse_another_tokenizer(model_with(tokenizer(pad_token="a")), model_with(tokenizer()))


@pytest.mark.parametrize(
    ("of_student", "of_teacher", "message"),
    [
        ({}, {"swapped": ("a", "b")}, "token id 15 is 'a' to the student and 'b' to the teacher"),
        ({}, {"swapped": ("0", "b")}, "token id 4 is '0' to the student and 'b' to the teacher"),
        ({"alphabet": "0123"}, {}, "token id 8 is no token to the student and '4' to the teacher"),
        ({}, {"alphabet": "0123"}, "token id 8 is '4' to the student and no token to the teacher"),
        ({}, {"additional_special_tokens": ["<new>"]}, "token id 17 is no token to the student and '<new>'"),
        ({}, {"eos_token": "<pad>"}, "eos_token is '<eos>' to the student and '<pad>' to the teacher"),
        ({}, {"bos_token": None}, "bos_token is '<bos>' to the student and None to the teacher"),
        (
            {"additional_special_tokens": ["a"]},
            {},
            r"'a' \(id 15\) is a special token to the student alone",
        ),
        (
            {},
            {"normalizer": normalizers.Replace("1", "b")},
            r"the same text is encoded differently, from token \d+ on: '1' \(id 5\) for the student, "
            r"'b' \(id 16\) for the teacher",
        ),
        ({}, {"chat_template": TEMPLATE}, "the chat templates write a conversation of the roles user diff"),
        (
            {"chat_template": TEMPLATE},
            {"chat_template": THINKING},
            r"the roles user differently, from token 5 on: nothing for the student, 'a' \(id 15\) for the teacher",
        ),
        (
            {"chat_template": TEMPLATE},
            {"chat_template": NO_SYSTEM},
            "the teacher's chat template alone refuses a conversation of the roles system, user",
        ),
    ],
)
def test_a_teacher_with_another_tokenizer_is_refused_with_the_first_difference(
    of_student: dict[str, Any], of_teacher: dict[str, Any], message: str
) -> None:
    student, teacher = model_with(tokenizer(**of_student)), model_with(tokenizer(**of_teacher))
    with pytest.raises(ConfigError, match=message) as refused:
        refuse_another_tokenizer(student, teacher)
    assert "has another tokenizer than the student" in str(refused.value)
    assert "rlvr train sft data.runs=[FOLDER]" in str(refused.value)


def test_a_turn_that_ends_for_the_teacher_must_end_for_the_student() -> None:
    tokens = tokenizer()
    several = model_with(tokens, eos_token_id=[2, 15])
    with pytest.raises(ConfigError, match=r"'a' \(id 15\) ends the teacher's turns and not the student's"):
        refuse_another_tokenizer(model_with(tokens), several)
    refuse_another_tokenizer(several, model_with(tokens))


def test_a_head_with_too_few_logits_for_the_tokens_is_refused() -> None:
    tokens = tokenizer()
    narrow = model_with(tokens)
    narrow.model.resize_token_embeddings(16)
    with pytest.raises(ConfigError, match="the teacher's head has 16 logits, too few for token id 16"):
        refuse_another_tokenizer(model_with(tokens), narrow)


def test_a_head_may_be_padded_as_long_as_the_teacher_reads_all_that_the_student_may_say() -> None:
    tokens = tokenizer()
    padded = model_with(tokens)
    padded.model.resize_token_embeddings(24)
    refuse_another_tokenizer(model_with(tokens), padded)
    with pytest.raises(ConfigError, match="the student may say any of 24 ids, and the teacher reads 17"):
        refuse_another_tokenizer(padded, model_with(tokens))


def test_a_teacher_is_frozen_and_what_was_given_stays_as_it_is() -> None:
    given, tokens = load_model(f"tiny:{ALPHABET}", seed=3)
    for weight in given.parameters():
        weight.data = weight.data.to(torch.bfloat16)
    before = copy.deepcopy(given.state_dict())
    teacher = load_teacher("mine", STUDENT, seed=0, loaded=(given, tokens))
    assert not any(weight.requires_grad for weight in teacher.model.parameters())
    assert all(weight.requires_grad for weight in given.parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in given.state_dict().items())
    assert {weight.dtype for weight in teacher.model.parameters()} == {torch.float32}


def test_a_teacher_computes_in_the_students_format_and_is_kept_in_it(tmp_path: Path) -> None:
    load_model(f"tiny:{ALPHABET}", seed=3)[0].save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    student = STUDENT.model_copy(update={"dtype": "bfloat16"})
    teacher = load_teacher(str(tmp_path), student, seed=0)
    assert {weight.dtype for weight in teacher.model.parameters()} == {torch.bfloat16}


def test_a_tiny_teacher_is_not_the_student_that_the_same_seed_makes() -> None:
    student = Policy(STUDENT, seed=0)
    teacher = load_teacher(STUDENT.path, STUDENT, seed=0)
    assert weights_hash(student.model) != weights_hash(teacher.model)
