"""The families of attacks, one idea each."""

from rlvr_gym.audit.families import (
    affixes,
    distractors,
    formats,
    hedges,
    hostile,
    injection,
    judges,
    near,
    nothing,
    null_tests,
    programs,
    restated,
    thinking,
)
from rlvr_gym.audit.families.family import Family, Try

FAMILIES = (
    restated.FAMILY,
    near.FAMILY,
    nothing.FAMILY,
    hedges.HEDGES,
    hedges.ENUMERATIONS,
    thinking.FAMILY,
    affixes.FAMILY,
    formats.EMPTY,
    formats.BARE,
    distractors.FAMILY,
    judges.FAMILY,
    programs.FAMILY,
    null_tests.FAMILY,
    injection.FAMILY,
    hostile.FAMILY,
)

BLIND = frozenset(
    family.name for family in (nothing.FAMILY, null_tests.FAMILY, injection.FAMILY, hostile.FAMILY)
)
"""Families that can be tried without knowing what a right answer looks like."""

__all__ = ["BLIND", "FAMILIES", "Family", "Try"]
