"""transformers as an engine: a model in this process, decoded in batches whose rows come and go.

`generator` is the engine; `agreement` finds out how a model remembers; `decoding` goes by keys and values (`rows`,
`cache`), which a smaller model may draft tokens for (`speculative`), and `lockstep` is for models that keep other
state. `head` lets a model that computes in bfloat16 have its logits in float32.
"""

from rlvr_gym.generation.transformers.generator import TransformersGenerator

__all__ = ["TransformersGenerator"]
