"""Every causal language model of transformers, made small: how it is sampled, and whether it can be trained.

`python -m tests.rlvr_trainers.families` writes docs/models.md from the same table.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from rlvr_gym.generation.transformers.lockstep import Memory

SAMPLED: dict[Memory, str] = {
    Memory.ROWS: """
        afmoe apertus arcee aria_text axk1 beam bert bert-generation big_bird biogpt bitnet bloom codegen
        cohere cohere2 cohere2_moe cohere_compass_text ctrl cwm deepseek_v2 deepseek_v3 diffllama doge dots1
        electra emu3 ernie ernie4_5 ernie4_5_moe exaone4 exaone_moe falcon flex_olmo flint fuyu gemma gemma2
        gemma3 gemma3_text gemma3n_text gemma4 gemma4_text gemma4_unified gemma4_unified_text glm glm4
        glm4_moe glm4_moe_lite got_ocr2 gpt-sw3 gpt2 gpt_bigcode gpt_neo gpt_neox gpt_neox_japanese gpt_oss
        gptj granite granite_swa granitemoe granitemoe_swa granitemoeshared helium hrm_text hunyuan_v1_dense
        hunyuan_v1_moe hy_v3 hyperclovax internlm3 iquestcoder jais2 jetmoe kolibri1 laguna llama llama4
        llama4_text longcat_flash megatron-bert mellum mimo_v2_flash minicpm3 minimax_m2 minimax_m3_vl_text
        ministral ministral3 mistral mixtral mllama modernbert-decoder moshi moss_transcribe_diarize mpt
        nanochat nemotron olmo olmo2 olmo3 olmoe opt persimmon phi phi3 phi4_multimodal phimoe qwen2
        qwen2_moe qwen3 qwen3_moe rembert roc_bert seed_oss smollm3 solar_open stablelm starcoder2
        vaultgemma xglm youtu
    """,
    Memory.OWN: """
        axk2 bailing_hybrid bart bigbird_pegasus blenderbot blenderbot-small camembert data2vec-text
        deepseek_v32 deepseek_v4 dots3_note_text falcon_h1 falcon_mamba git glm_moe_dsa granitemoehybrid
        hy_v4 inkling2_text inkling_text jamba kimi_linear lfm2 lfm2_moe lfm3 mamba mamba2 marian mbart
        minimax mvp olmo_hybrid pegasus plbart qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen3_5_text qwen3_next
        qwen4_exp qwen4_exp_text roberta roberta-prelayernorm roformer trocr whisper xlm-roberta
        xlm-roberta-xl xmod zamba zaya
    """,
    Memory.COUNTED: """
        bamba
    """,
    Memory.NONE: """
        blt nemotron_h openai-gpt recurrent_gemma rwkv xlstm zamba2
    """,
}
"""Families whose samples have the log-probabilities of a plain forward pass, and of the trainer."""

REFUSED = "cpmant prophetnet reformer xlm xlnet"
"""Families that are refused before use: their forward pass over a whole sequence looks ahead, or draws at random."""

NOT_MADE: dict[str, str] = {
    "dbrx": "its attention reads settings that its configuration no longer has (`rope_theta`)",
    "dots3_note": "its picture encoder's settings name layers one by one; its text part is `dots3_note_text`",
    "gemma3n": "its picture encoder needs the timm library; its text part is `gemma3n_text`",
    "gemma4_assistant": "a drafting head beside another model",
    "gemma4_unified_assistant": "a drafting head beside another model",
    "musicgen": "speaks sound tokens; transformers makes it from a part of its configuration only",
    "musicgen_melody": "speaks sound tokens; transformers makes it from a part of its configuration only",
}
"""Families whose models cannot be made from their settings alone, and so are not looked at."""

SIZES: dict[str, Any] = {
    name: size
    for size, names in {
        1: """
            bos_token_id decoder_start_token_id depth n_group topk_group num_expert_group zero_expert_num
            num_dense_layers first_k_dense_replace mamba_n_groups n_shared_experts
        """,
        2: """
            eos_token_id num_hidden_layers n_layer n_layers num_layers decoder_layers encoder_layers
            num_decoder_layers num_encoder_layers num_key_value_heads num_kv_heads swa_num_key_value_heads
            o_groups num_experts_per_tok num_experts_per_token moe_topk moe_k index_n_heads index_topk_blocks
            n_mamba_heads n_groups linear_num_key_heads linear_num_heads mlp_ratio
        """,
        4: """
            num_attention_heads n_head n_heads num_heads decoder_attention_heads encoder_attention_heads
            num_decoder_attention_heads num_encoder_attention_heads attention_heads swa_num_attention_heads
            rotary_dim num_experts n_routed_experts num_local_experts moe_num_experts index_block_size
            mamba_n_heads mamba_num_heads time_step_rank mamba_dt_rank linear_num_value_heads gated_norm_rank
            prompt_length adapter_rank
        """,
        8: """
            head_dim d_head dim_head d_kv attention_head_size attention_head_dim kv_channels swa_head_dim
            global_head_dim qk_rope_head_dim qk_nope_head_dim v_head_dim o_lora_rank sliding_window
            sliding_window_size attention_window_size local_attention window_size attention_chunk_size
            floor_scale index_head_dim state_size ssm_state_size mamba_d_state chunk_size mamba_chunk_size
            linear_key_head_dim linear_value_head_dim linear_head_dim block_size hidden_size_per_layer_input
            laurel_rank hc_lowrank d_rel local_attention_window_len patch_size num_mel_bins feature_size
            downsample_hidden_size shape_embed_dim pronunciation_embed_dim
        """,
        16: """
            kv_lora_rank q_lora_rank moe_intermediate_size shared_expert_intermediate_size
            moe_shared_expert_intermediate_size shared_intermediate_size expert_ffn_hidden_size
            shared_experts_intermediate_size mamba_d_head mamba_head_dim mamba_headdim router_hidden_size
            rel_extent image_size projection_dim num_position_embeddings max_source_positions
        """,
        32: """
            hidden_size d_model n_embd dim embed_dim emb_dim embedding_size word_embed_proj_dim
            input_embedding_size output_embedding_size backbone_hidden_size attention_hidden_size mamba_d_ssm
            lru_width hidden_size_global out_hidden_size vision_output_dim projector_input_dim
            projector_output_dim adapter_in_dim adapter_out_dim adapter_input_size word_embedding_size
        """,
        50: """
            ngram_vocab_size_base encoder_hash_byte_group_vocab
        """,
        64: """
            max_position_embeddings intermediate_size ffn_dim decoder_ffn_dim encoder_ffn_dim d_inner dff dim_ff
            d_ff ffn_hidden_size feed_forward_size hidden_dim mlp_dim intermediate_size_mlp
            dense_intermediate_size keep_window_size index_topk max_target_positions n_positions context_length
        """,
        100: """
            vocab_size vocab_size_per_layer_input shape_vocab_size pronunciation_vocab_size audio_vocab_size
        """,
    }.items()
    for name in names.split()
}
SIZES |= {
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "is_decoder": True,
    "n_inner": None,
    "swa_attention_sink_bias": None,
    "ple_embed_dim": None,
}
"""Every setting of one of these names is this small, in the model's settings and those within them."""
FROM_NOTHING = {"head_dim", "num_key_value_heads", "num_experts_per_tok", "n_routed_experts"}
"""Those that are set even where they are None at first, which stands for a size of the published model."""

ROPE = {"rope_type": "default", "rope_theta": 1e4}
INDEXER = {
    "indexer_n_heads": 2,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 8,
    "indexer_budget": 64,
    "indexer_compress_ratio": 4,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1]},
    "granitemoehybrid": {"layer_types": ["linear_attention", "full_attention"]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "recurrent_gemma": {"num_hidden_layers": 3},
    "falcon_h1": {"mamba_d_ssm": 64},
    "mamba2": {"head_dim": 16},
    "lfm2": {"layer_types": ["conv", "full_attention"], "num_hidden_layers": 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_hidden_layers": 2},
    "zamba": {
        "attention_hidden_size": 64,
        "head_dim": 16,
        "num_key_value_heads": 4,
        "num_hidden_layers": 5,
        "layers_block_type": ["linear_attention", "linear_attention", "hybrid", "linear_attention", "hybrid"],
    },
    "zamba2": {
        "layers_block_type": ["linear_attention", "hybrid"],
        "num_hidden_layers": 2,
        "intermediate_size": 64,
    },
    "zaya": {"num_experts_per_tok": 1},
    "xmod": {"default_language": "en_XX"},
    "reformer": {
        "axial_pos_embds_dim": [16, 16],
        "axial_pos_shape": [8, 8],
        "attn_layers": ["local", "lsh"],
        "local_attn_chunk_length": 8,
        "lsh_attn_chunk_length": 8,
    },
    "nemotron": {"head_dim": 8},
    "ministral": {"rope_parameters": ROPE},
    "hunyuan_v1_dense": {"rope_parameters": ROPE},
    "hunyuan_v1_moe": {"rope_parameters": ROPE},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "cohere_compass_text": {"rope_parameters": {"full_attention": ROPE, "sliding_attention": ROPE}},
    "prophetnet": {"max_position_embeddings": 128},
    "whisper": {"max_target_positions": 128},
    "dots1": {"n_shared_experts": 1, "first_k_dense_replace": 1},
    "gemma3n_text": {
        "num_hidden_layers": 4,
        "num_kv_shared_layers": 2,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
    },
    "qwen4_exp_text": INDEXER,
    "qwen4_exp": {"text_config": INDEXER},
}
"""Extra settings that a family needs, mostly so that it has a layer of each of its kinds."""


def tiny(family: str) -> PreTrainedModel:
    """A model of this family with random weights, of some 30,000 parameters; equal at each call."""
    kind = CONFIG_MAPPING[family]
    config = kind(**_small(kind(), SETTINGS.get(family, {})))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config).float().eval()


def _small(config: PreTrainedConfig, settings: dict[str, Any]) -> dict[str, Any]:
    fields = {field.name for field in dataclasses.fields(config)}
    within = {**config.sub_configs, **getattr(config, "sub_configs_defaults", {})}
    small: dict[str, Any] = {}
    for name, value in vars(config).items():
        if name in within and isinstance(value, PreTrainedConfig):
            small[name] = _small(value, {})
        elif name in SIZES and name in fields and (value is not None or name in FROM_NOTHING):
            small[name] = SIZES[name]
    kinds = list(dict.fromkeys(vars(config).get("layer_types") or ()))
    if len(kinds) > 1 and {"layer_types", "num_hidden_layers"} <= fields:
        small |= {"layer_types": kinds, "num_hidden_layers": len(kinds)}
    if "kv_lora_rank" in fields:  # multi-head latent attention has keys and values for every head
        small["num_key_value_heads"] = small["num_attention_heads"]
    for name, value in settings.items():
        small[name] = {**small.get(name, {}), **value} if name in within else value
    return small


def page() -> str:
    """docs/models.md."""
    from transformers import __version__

    ways = {
        Memory.ROWS: "rows that share their prompt, and leave and join at every token",
        Memory.OWN: "batches of equally long prompts, from the model's own cache",
        Memory.COUNTED: "the same, with positions counted for the model",
        Memory.NONE: "batches of equally long prompts, each token from its whole sequence: slow for long completions",
    }
    count = sum(len(families.split()) for families in SAMPLED.values())
    refused = REFUSED.split()
    lines = [
        "# Models",
        "",
        "<!-- written by `python -m tests.rlvr_trainers.families` -->",
        f"Of the {count + len(refused) + len(NOT_MADE)} families that transformers {__version__} lists as causal",
        f"language models, {count} are sampled and trained. A test makes each of them small, with random weights, and",
        "compares the log-probabilities of its samples with a plain forward pass and with the trainer's.",
        "",
        "How a model is sampled is not looked up in this table but found out before its first use, with the model",
        "at hand; one that cannot be is refused in a sentence. Multimodal models are sampled and trained on text.",
        "Encoders (BERT and its relatives) are causal with `is_decoder=True` in their configuration, and refused",
        "without.",
        "",
        "| sampled in | families (`model_type`) |",
        "| --- | --- |",
        *(f"| {ways[memory]} | {_listed(families)} |" for memory, families in SAMPLED.items()),
        "",
        "Refused, because their forward pass over a whole sequence looks ahead or draws at random:",
        f"{_listed(REFUSED)}.",
        "",
        "| not looked at | because |",
        "| --- | --- |",
        *(f"| `{family}` | {words} |" for family, words in NOT_MADE.items()),
        "",
        "Sparse attention (`axk2`, `deepseek_v32`, `doge`, `dots3_note_text`, `glm_moe_dsa`, `hy_v4`) chooses among",
        "keys once a sequence is longer than its budget (`index_topk`, 2,048 as published). Which keys it takes then",
        "depends on how much of the sequence a pass sees: longer samples need not agree with the trainer.",
        "",
    ]
    return "\n".join(lines)


def _listed(families: str) -> str:
    return ", ".join(f"`{family}`" for family in families.split())


if __name__ == "__main__":
    (Path(__file__).parents[2] / "docs" / "models.md").write_text(page(), encoding="utf-8")
