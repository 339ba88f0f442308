from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout.microbatches import microbatches

from rlvr_gym import DataError, Rollout
from tests.rlvr_trainers.batches import credited

MakeRollout = Callable[..., Rollout]


def two_rollouts(make_rollout: MakeRollout) -> list[Rollout]:
    return [
        make_rollout([5, 6], [7, 8, 9], mask=[True, False, True], logprobs=[-0.1, 0.0, -0.3]),
        make_rollout([1, 2, 3], [4], logprobs=[-0.4]),
    ]


def test_sequences_lie_one_a_row_padded_on_the_right(make_rollout: MakeRollout):
    batch = TokenBatch.of_rollouts(two_rollouts(make_rollout), [0, 0])
    assert batch.input_ids.tolist() == [[5, 6, 7, 8, 9], [1, 2, 3, 4, 1]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 4]] * 2
    assert batch.mask_BT.tolist() == [[True, False, True], [True, False, False]]
    assert credited(batch, [1.0, -1.0]).advantages_BT.tolist() == [[1, 0, 1], [-1, 0, 0]]
    assert batch.rollout_logprobs_BT.tolist() == [[-0.1, 0, -0.3], [-0.4, 0, 0]]


def test_every_action_token_is_predicted_by_the_token_before_it(make_rollout: MakeRollout):
    batch = TokenBatch.of_rollouts(two_rollouts(make_rollout), [0, 0])
    for layout in (batch, batch.packed(), batch.packed().select([0, 1])):
        assert layout.input_ids.flatten()[layout.predictors_N].tolist() == [6, 8, 3]
        assert layout.targets_N.tolist() == [7, 9, 4]


def test_a_packed_batch_has_no_padding_and_positions_that_restart(make_rollout: MakeRollout):
    batch = TokenBatch.of_rollouts(two_rollouts(make_rollout), [0, 0]).packed()
    assert batch.is_packed
    assert batch.input_ids.tolist() == [[5, 6, 7, 8, 9, 1, 2, 3, 4]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 4, 0, 1, 2, 3]]


def test_selecting_cuts_padding_to_what_the_rows_need(make_rollout: MakeRollout):
    part = credited(TokenBatch.of_rollouts(two_rollouts(make_rollout), [3, 4]), [1.0, -1.0]).select([1])
    assert part.tokens.input_ids.tolist() == [[1, 2, 3, 4]]
    assert part.tokens.mask_BT.tolist() == [[True]]
    assert part.tokens.groups_B.tolist() == [4]
    assert part.advantages_BT.tolist() == [[-1.0]]
    assert part.advantages_B.tolist() == [-1.0]


def test_a_sampled_end_token_is_in_the_mask_although_it_is_the_padding_id(make_rollout: MakeRollout):
    ended = make_rollout([5], [7, 0])
    cut_off = make_rollout([5], [7, 8, 9], truncated=True)
    batch = TokenBatch.of_rollouts([ended, cut_off], [0, 0])
    assert batch.mask_BT.tolist() == [[True, True, False], [True, True, True]]
    assert batch.targets_N.tolist() == [7, 0, 7, 8, 9]


def test_truncation_is_the_rollouts_word_and_not_the_last_tokens(make_rollout: MakeRollout):
    ends_without_end_token = make_rollout([5], [7, 8])
    cut_off_after_end_token = make_rollout([5], [7, 0], truncated=True)
    batch = TokenBatch.of_rollouts(
        [ends_without_end_token, cut_off_after_end_token], [0, 0], filter_truncated=True
    )
    assert batch.mask_BT.tolist() == [[True, True], [False, False]]


def test_a_filtered_sample_is_scored_and_an_unscored_one_is_not(make_rollout: MakeRollout):
    rollouts = [
        make_rollout([5], [7], truncated=True),
        make_rollout([5], [7], score=None),
        make_rollout([5], [7]),
    ]
    batch = TokenBatch.of_rollouts(rollouts, [0, 0, 0], filter_truncated=True)
    assert batch.mask_BT.tolist() == [[False], [False], [True]]
    assert batch.scored_B.tolist() == [True, False, True]


def test_a_prompt_without_tokens_is_refused(make_rollout: MakeRollout):
    with pytest.raises(DataError, match="nothing predicts the first one"):
        TokenBatch.of_rollouts([make_rollout([], [1])], [0])


def test_microbatches_by_hand():
    # 9 is over the budget of 8 and goes alone; 4 + 3 pads to 8; 3, 1 pads to 6.
    assert microbatches([3, 9, 1, 4, 3], 8) == [[1], [3, 0], [4, 2]]


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 100))
def test_every_sequence_is_in_exactly_one_microbatch_within_the_budget(lengths: list[int], budget: int):
    batches = microbatches(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[i] for i in batch)
        assert padded <= budget or len(batch) == 1


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 200), st.integers(1, 5))
def test_processes_share_a_step_evenly(lengths: list[int], budget: int, parts: int):
    shares = [microbatches(lengths, budget, part=part, parts=parts) for part in range(parts)]
    assert sorted(i for share in shares for batch in share for i in batch) == list(range(len(lengths)))
    sequences = [sum(map(len, share)) for share in shares]
    assert max(sequences) - min(sequences) <= 1
    tokens = [sum(lengths[i] for batch in share for i in batch) for share in shares]
    assert max(tokens) - min(tokens) <= max(lengths, default=0)
    for share, count in zip(shares, sequences, strict=True):
        assert len(share) == min(count, max(map(len, shares)))
        for batch in share:
            assert len(batch) * max(lengths[i] for i in batch) <= budget or len(batch) == 1


def test_a_step_that_fits_in_one_microbatch_is_one_for_each_process():
    # Longest first, each pair's longer one to whoever has fewer tokens: 9 and 7, then 4 and 6, then 2 and 1.
    lengths = [2, 9, 4, 6, 7, 1]
    assert [microbatches(lengths, 16384, part=part, parts=2) for part in (0, 1)] == [[[1, 2, 0]], [[4, 3, 5]]]


def test_an_odd_sequence_makes_no_microbatch_that_another_process_lacks():
    # Two of 4 tokens fit in 8: three on one process, two on the other, in two microbatches each.
    assert [microbatches([4] * 5, 8, part=part, parts=2) for part in (0, 1)] == [[[0], [2, 4]], [[1], [3]]]


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 100))
def test_a_single_process_fills_microbatches_from_the_longest_on(lengths: list[int], budget: int):
    expected: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if expected and (len(expected[-1]) + 1) * lengths[expected[-1][0]] <= budget:
            expected[-1].append(index)
        else:
            expected.append([index])
    assert microbatches(lengths, budget) == expected


def test_moving_a_batch_moves_all_of_it(make_rollout: MakeRollout):
    batch = TokenBatch.of_rollouts(two_rollouts(make_rollout), [0, 0]).to("meta")
    tensors = [value for value in vars(batch).values() if isinstance(value, torch.Tensor)]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
