"""The text of Lean proofs: source without comments, and words that a proof may not contain."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COMMANDS = _words(
    """
    sorry admit native_decide axiom axioms constant opaque theorem lemma def abbrev example instance class
    structure inductive coinductive namespace section end open export import include omit universe universes
    variable variables mutual private protected noncomputable partial unsafe nonrec local scoped attribute
    deriving public meta module alias macro macro_rules syntax declare_syntax_cat elab elab_rules notation
    infix infixl infixr prefix postfix builtin_initialize initialize register_simp_attr register_option
    simproc simproc_decl dsimproc run_cmd run_elab run_meta run_tac by_elab set_option unset_option
    add_decl_doc irreducible_def seal unseal suppress_compilation unsuppress_compilation compile_inductive
    include_str dbg_trace eval_expr
    """
)
"""Words that begin another command, run Lean's own programming, or stand for a proof that is not there."""
_NAMES = _words(
    """
    sorryAx ofReduceBool ofReduceNat reduceBool reduceNat trustCompiler lcProof lcUnreachable lcAny IO
    BaseIO EIO Elab Meta Environment addDecl evalExpr unsafeCast unsafeIO unsafeBaseIO dbgTrace dbgTraceVal
    dbgTraceIfShared dbgSleep dbgStackTrace implemented_by extern csimp
    """
)
"""Names, or parts of dotted ones, that do."""

_LEXEME = re.compile(r"/-|--[^\n]*")
_COMMENT = re.compile(r"/-|-/")
_PART = r"[^\W\d][\w!?'₀-₉]*"
_WORD = re.compile(rf"{_PART}(?:\.{_PART})*")
_DIGITS = re.compile(r"(?<![\w!?'])\d\w*")
_NUMBER = re.compile(r"0[xX][\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|[\d_]+(?:[eE][\d_]*)?", re.ASCII)
_SIGN = re.compile(r'[#"«»\x00]|@\[')
_BRACKETS = {")": "(", "]": "[", "}": "{", "⟩": "⟨"}


def without_comments(source: str) -> str:
    """`source` with each comment replaced by a space. Comments nest; takes time linear in its length.

    Raises ValueError, in words for a verdict, where one never ends. Texts in quotes are not told apart: what stands in
    one may be taken for a comment, which is why a proof may hold none.
    """
    kept: list[str] = []
    at = 0
    while found := _LEXEME.search(source, at):
        kept += [source[at : found.start()], " "]
        at = _after_comment(source, found.end()) if found[0] == "/-" else found.end()
    return "".join((*kept, source[at:]))


def _after_comment(source: str, at: int) -> int:
    depth = 1
    while depth:
        found = _COMMENT.search(source, at)
        if not found:
            raise ValueError("a comment never ends")
        depth += 1 if found[0] == "/-" else -1
        at = found.end()
    return at


def spaced(source: str) -> str:
    """`source` with every run of white space as one space."""
    return " ".join(source.split())


def first_forbidden(proof: str) -> str | None:
    """The first thing in a proof, without its comments, that may not stand there; None where there is none.

    Beside commands and their words: quotes (a text can hide anything from a reader of this kind, and a proof needs
    none), quoted names, attributes, numbers that run into a word (`1sorry` is two words to Lean, and `1.sorry` may be),
    and brackets that do not match.
    """
    if sign := _SIGN.search(proof):
        return sign[0]
    for digits in _DIGITS.findall(proof):
        if not _NUMBER.fullmatch(digits):
            return digits
    for word in _WORD.findall(proof):
        if word in _COMMANDS or not _NAMES.isdisjoint(word.split(".")):
            return word
    return _unmatched_bracket(proof)


def _unmatched_bracket(proof: str) -> str | None:
    opened: list[str] = []
    for sign in proof:
        if sign in _BRACKETS.values():
            opened.append(sign)
        elif sign in _BRACKETS and (not opened or opened.pop() != _BRACKETS[sign]):
            return sign
    return opened[-1] if opened else None
