"""An audit attacks a verifier before anyone trains on it; `runner.audit` runs one.

What stands here is what verifiers and environments need to declare attacks of their own: importing it is cheap.
"""

from rlvr_gym.verifiers.attacks import (
    Attack,
    DecidesCompletions,
    DeclaresAttacks,
    Expectation,
    MadeOfVerifiers,
    MakesImpossible,
)

__all__ = [
    "Attack",
    "DecidesCompletions",
    "DeclaresAttacks",
    "Expectation",
    "MadeOfVerifiers",
    "MakesImpossible",
]
