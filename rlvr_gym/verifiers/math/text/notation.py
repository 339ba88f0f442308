"""The plain notation that the parsers read: which sign stands for which command, character or word.

In that notation an operator, relation, bracket or Greek letter is one character (`≤ ± ∪ √ π`), set braces are
`⟦ ⟧`, a matrix row ends with `¶`, top-level "and" and "or" are `∧` and `∨`, unit vectors are `î ĵ ǩ`, and words
stand in `\\text{...}`.
"""

from __future__ import annotations

import unicodedata

_FUNCTION_NAMES = """
    sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth sech csch
    arcsinh arccosh arctanh arsinh arcosh artanh ln log lg exp cis sgn floor ceil ceiling
"""
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
"""Functions of one argument that are written as a word or as a command."""

NARY = frozenset({"gcd", "lcm", "max", "min"})
"""Functions of any number of arguments, in brackets."""

UNIT_VECTORS = {"i": "î", "j": "ĵ", "k": "ǩ"}

GREEK = {
    name: unicodedata.lookup(f"GREEK {case} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}")
    for names, case in [
        (
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
            "upsilon phi chi psi omega",
            "SMALL",
        ),
        ("Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega", "CAPITAL"),
    ]
    for name in names.split()
}
GREEK |= {"varepsilon": "ε", "vartheta": "θ", "varphi": "φ", "varrho": "ρ", "varsigma": "σ"}

SIGN_OF_COMMAND = {
    **GREEK,
    **dict.fromkeys(["cdot", "times", "ast", "bullet"], "*"),
    **dict.fromkeys(["div"], "/"),
    **dict.fromkeys(["le", "leq", "leqslant", "leqq", "ngtr"], "≤"),
    **dict.fromkeys(["ge", "geq", "geqslant", "geqq", "nless"], "≥"),
    **dict.fromkeys(["ne", "neq"], "≠"),
    **dict.fromkeys(["lt", "ngeq"], "<"),
    **dict.fromkeys(["gt", "nleq"], ">"),
    **dict.fromkeys(["approx", "simeq", "thickapprox"], "≈"),
    **dict.fromkeys(["emptyset", "varnothing"], "∅"),
    **dict.fromkeys(["land", "wedge"], "∧"),
    **dict.fromkeys(["lor", "vee"], "∨"),
    **dict.fromkeys(["lvert", "rvert", "vert", "mid"], "|"),
    **dict.fromkeys(["lVert", "rVert", "Vert", "|"], "‖"),
    **dict.fromkeys(["dfrac", "tfrac", "cfrac", "nicefrac", "sfrac", "frac"], "\\frac"),
    **dict.fromkeys(["dbinom", "tbinom", "binom"], "\\binom"),
    **dict.fromkeys(["bmod", "mod"], "\\mod "),
    **dict.fromkeys(["left", "right", "displaystyle", "textstyle", "limits", "middle", "!"], ""),
    **dict.fromkeys(["space", "nobreakspace", "thinspace", "medspace", "enspace", "hfill"], " "),
    **dict.fromkeys(["bf", "rm", "it", "sf", "tt", "bfseries", "small", "normalsize"], " "),
    **dict.fromkeys(["large", "Large", "LARGE", "huge", "Huge"], " "),
    **dict.fromkeys([a + b for a in ("big", "Big", "bigg", "Bigg") for b in ("", "l", "r")], ""),
    **dict.fromkeys(["quad", "qquad", "(", ")", "[", "]", ",", ";", ":", ">", " ", "\n"], " "),
    **dict.fromkeys(["dots", "ldots", "cdots", "dotsc", "dotsb"], "…"),
    **dict.fromkeys(["cup", "bigcup"], "∪"),
    **dict.fromkeys(["cap", "bigcap"], "∩"),
    **dict.fromkeys(["setminus", "smallsetminus", "backslash"], "∖"),
    **{"in": "∈", "infty": "∞", "pm": "±", "mp": "∓", "sqrt": "√", "colon": ":", "equiv": "≡"},
    **{"lbrace": "⟦", "rbrace": "⟧", "{": "⟦", "}": "⟧", "langle": "⟨", "rangle": "⟩"},
    **{
        "degree": "°",
        "textdegree": "°",
        "Pr": "P",
        "hbar": "ħ",
        "pounds": "£",
        "imath": "i",
        "jmath": "j",
        "ell": "l",
    },
    **{"lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "lbrack": "[", "rbrack": "]"},
    **{"\\": "¶", "cr": "¶", "%": "%", "$": "$", "&": "&", "_": "_", "#": "#"},
    **{
        "asin": "\\arcsin",
        "acos": "\\arccos",
        "atan": "\\arctan",
        "prime": "'",
        "circ": "∘",
        "AA": " angstrom",
    },
    **{"angle": "∠", "measuredangle": "∠", "triangle": "△"},
}

COMMANDS = frozenset(name for name in SIGN_OF_COMMAND if name.isalpha())
"""Commands that this notation has a sign for."""

SIGN_OF_CHARACTER = str.maketrans(
    {
        **dict.fromkeys("−–—‐‑‒", "-"),
        **dict.fromkeys("×·⋅∙•✕", "*"),
        **dict.fromkeys("÷∕⁄", "/"),
        **dict.fromkeys("≦⩽", "≤"),
        **dict.fromkeys("≧⩾", "≥"),
        **dict.fromkeys("≃≅", "≈"),
        **dict.fromkeys("ø∅", "∅"),
        **dict.fromkeys("’′", "'"),
        **dict.fromkeys("⋃", "∪"),
        **dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad", ""),
        **{
            "∶": ":",
            "º": "°",
            "˚": "°",
            "µ": "μ",
            "ϕ": "φ",
            "ϵ": "ε",
            "。": ".",
            "‥": "..",
            "″": "''",
            "Å": " angstrom",
        },
        **{"或": "∨", "和": "∧", "、": ",", "Å": " angstrom"},
        **{letter: f"\\mathbb{{{plain}}}" for letter, plain in zip("ℝℤℕℚℂ", "RZNQC", strict=True)},
        **{
            c: "\\frac{{{}}}{{{}}}".format(*unicodedata.normalize("NFKC", c).split("⁄"))
            for c in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"
        },
    }
)

SIGN_OF_TEXT = (
    ("<=", "≤"),
    (">=", "≥"),
    ("!=", "≠"),
    ("==", "="),
    ("~", " "),
    ("+/-", "±"),
    ("infinity", "∞"),
    ("Infinity", "∞"),
    ("negative ∞", "-∞"),
    ("\\text{∞}", "∞"),
    ("\\text{-∞}", "-∞"),
    ("...", "…"),
    ("\\not", "¬"),
    ("¬ ", "¬"),
    ("¬=", "≠"),
    ("¬<", "≥"),
    ("¬>", "≤"),
    ("¬≤", ">"),
    ("¬≥", "<"),
)
"""Last replacements, in this order: remaining plain text, and `\\not`."""
