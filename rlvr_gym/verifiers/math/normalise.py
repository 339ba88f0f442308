"""LaTeX, Unicode and plain text to one plain notation, which the parsers read.

In that notation an operator, relation, bracket or Greek letter is one character (`≤ ± ∪ √ π`), set braces are
`⟦ ⟧`, a matrix row ends with `¶`, top-level "and" and "or" are `∧` and `∨`, and words stand in `\\text{...}`.
Nothing that bears meaning is dropped: units, percent signs, degrees and brackets stay.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_FUNCTION_NAMES = (
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh ln log lg exp"
)
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
"""Functions of one argument that are written as a word or as a command."""

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

_COMMANDS = {
    **GREEK,
    **dict.fromkeys(["cdot", "times", "ast", "bullet"], "*"),
    **dict.fromkeys(["div"], "/"),
    **dict.fromkeys(["le", "leq", "leqslant"], "≤"),
    **dict.fromkeys(["ge", "geq", "geqslant"], "≥"),
    **dict.fromkeys(["ne", "neq"], "≠"),
    **dict.fromkeys(["lt"], "<"),
    **dict.fromkeys(["gt"], ">"),
    **dict.fromkeys(["approx", "simeq", "thickapprox"], "≈"),
    **dict.fromkeys(["emptyset", "varnothing"], "∅"),
    **dict.fromkeys(["land", "wedge"], "∧"),
    **dict.fromkeys(["lor", "vee"], "∨"),
    **dict.fromkeys(["lvert", "rvert", "vert", "mid"], "|"),
    **dict.fromkeys(["dfrac", "tfrac", "cfrac", "nicefrac", "sfrac", "frac"], "\\frac"),
    **dict.fromkeys(["dbinom", "tbinom", "binom"], "\\binom"),
    **dict.fromkeys(["left", "right", "displaystyle", "textstyle", "limits", "!"], ""),
    **dict.fromkeys(["bf", "rm", "it", "sf", "tt", "bfseries", "small", "normalsize"], " "),
    **dict.fromkeys(["large", "Large", "LARGE", "huge", "Huge"], " "),
    **dict.fromkeys([a + b for a in ("big", "Big", "bigg", "Bigg") for b in ("", "l", "r")], ""),
    **dict.fromkeys(["quad", "qquad", "(", ")", "[", "]", ",", ";", ":", " "], " "),
    **dict.fromkeys(["dots", "ldots", "cdots"], "…"),
    **{"in": "∈", "cup": "∪", "cap": "∩", "infty": "∞", "pm": "±", "mp": "∓", "sqrt": "√", "colon": ":"},
    **{"lbrace": "⟦", "rbrace": "⟧", "{": "⟦", "}": "⟧", "langle": "⟨", "rangle": "⟩"},
    **{"degree": "°", "textdegree": "°", "Pr": "P"},
    **{"lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "lbrack": "[", "rbrack": "]"},
    **{"\\": "¶", "%": "%", "$": "$", "&": "&", "_": "_", "#": "#"},
    **{"asin": "\\arcsin", "acos": "\\arccos", "atan": "\\arctan", "prime": "'", "circ": "∘"},
    **{"angle": "∠", "measuredangle": "∠", "triangle": "△"},
}

COMMANDS = frozenset(name for name in _COMMANDS if name.isalpha())
"""Commands that this notation has a sign for."""

_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("−–—‐‑‒", "-"),
        **dict.fromkeys("×·⋅∙•✕", "*"),
        **dict.fromkeys("÷∕⁄", "/"),
        **dict.fromkeys("≦⩽", "≤"),
        **dict.fromkeys("≧⩾", "≥"),
        **dict.fromkeys("≃≅", "≈"),
        **dict.fromkeys("ø∅", "∅"),
        **dict.fromkeys("’′", "'"),
        **dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad", ""),
        **{"∶": ":", "º": "°", "˚": "°", "ℝ": "\\mathbb{R}", "µ": "μ", "ϕ": "φ", "ϵ": "ε"},
        **{
            c: "\\frac{{{}}}{{{}}}".format(*unicodedata.normalize("NFKC", c).split("⁄"))
            for c in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"
        },
    }
)

_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ]+")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₒₓₖₘₙₜᵢⱼ]+")
_THOUSANDS = re.compile(r"(?<=\d)\s*(?:\{,\}|,\\!)\s*(?=\d{3}(?!\d))")
_THIN_THOUSANDS = re.compile(r"(?<![\d.,\\])\d{1,3}(?:(?:\\[,;:! ]|~|\s)\s*\d{3}(?!\d))+")
_DOTTED = re.compile(r"(?<=[.\d])\\(?:bar|dot)\s*(?:\{\s*(\d+)\s*\})")
_MIXED = re.compile(r"(?<![\w.}\\^])(\d+)\s+(\d+)/(\d+)(?![\w./^])")
_DEGREES = re.compile(
    r"(?:\{\})?\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|(?<=\d)\^(?:\\text)?\{?o\}?(?![A-Za-z}])"
)
_TEMPERATURE = re.compile(r"\\text\{\s*°\s*([CF])\s*\}|°\s*\\text\{\s*([CF])\s*\}|°\s*([CF])(?![A-Za-z])")
_SCALES = {"C": "celsius", "F": "fahrenheit"}
_BRACED_SIGN = re.compile(r"(?<![A-Za-z])\{([-+.])\}")
_OVER = re.compile(r"\{([^{}]*)\\over(?![A-Za-z])([^{}]*)\}")
_QUOTIENT_UNIT = re.compile(r"\\frac\s*\{\s*\\text\{([^{}]*)\}\s*\}\s*\{\s*\\text\{([^{}]*)\}\s*\}")
_WRAPPED = re.compile(
    r"\\(text|textrm|textbf|textit|textnormal|textsf|texttt|mathrm|mbox|hbox|operatorname\*?"
    r"|underline|framebox|mathbf|mathit|mathsf|mathcal|boldsymbol|bm|vec|mathbb)\s*\{([^{}]*)\}"
)
_SYMBOLIC = frozenset(
    {"underline", "framebox", "mathbf", "mathit", "mathsf", "mathcal", "boldsymbol", "bm", "vec"}
)
_INVISIBLE = re.compile(
    r"\\(?:left|right)\s*\.|\\(?:hspace|vspace|phantom)\*?\{[^{}]*\}|&nbsp;|\\allowbreak(?![A-Za-z])"
    r"|\\(?:text)?color\s*\{[^{}]*\}|(?<=\\\\)\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm|in)\s*\]"
)
_ENVIRONMENT = re.compile(r"\\(begin|end)\s*\{([A-Za-z]*)\*?\}")
_COMMAND = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
_AND_OR = re.compile(r"(?<![A-Za-z\\])(and|or)(?![A-Za-z])", re.IGNORECASE)
_DOLLARS = re.compile(r"(?<!\\)\$")
_LEAD = re.compile(
    r"^(?:\\text\{)?(?:so |thus |hence |therefore,? )?(?:the |my )?(?:final )?answer(?: is)?\s*[:=]?(?:\}\s*|\s+)",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """`text` in the plain notation. Time linear in its length."""
    text = text.translate(_CHARACTERS)
    text = _RAISED.sub(lambda m: f"^{{{unicodedata.normalize('NFKC', m[0])}}}", text)
    text = _LOWERED.sub(lambda m: f"_{{{unicodedata.normalize('NFKC', m[0])}}}", text)
    text = unicodedata.normalize("NFKC", text).replace("−", "-").strip().strip("`")
    text = text[2:-2] if text.startswith("**") and text.endswith("**") and len(text) > 4 else text
    text = _OVER.sub(r"\\frac{\1}{\2}", _BRACED_SIGN.sub(r"\1", _without_delimiters(text)))
    text = _DOTTED.sub(r"\\overline{\1}", text)
    text = _THIN_THOUSANDS.sub(lambda m: re.sub(r"\D", "", m[0]), _THOUSANDS.sub("", text))
    text = _MIXED.sub(r"\1\\frac{\2}{\3}", text)
    text = _DEGREES.sub("°", _INVISIBLE.sub(" ", text)).replace("**", "^")
    for _ in range(3):
        text = _WRAPPED.sub(_unwrap, text)
    text = _LEAD.sub("", text.strip(), count=1)
    text = _ENVIRONMENT.sub(lambda m: f"\\{m[1]}{{{m[2]}}}", text)
    text = _QUOTIENT_UNIT.sub(r"\\text{\1/\2}", _COMMAND.sub(_command, text))
    text = _TEMPERATURE.sub(lambda m: f"\\text{{{_SCALES[m[1] or m[2] or m[3]]}}}", text)
    text = text.replace("<=", "≤").replace(">=", "≥").replace("!=", "≠").replace("==", "=").replace("~", " ")
    text = text.replace("+/-", "±").replace("infinity", "∞")
    text = _AND_OR.sub(lambda m: "∧" if m[1].lower() == "and" else "∨", text)
    return " ".join(_without_full_stop(text).split())


def _without_delimiters(text: str) -> str:
    """Drop `$...$`; a single dollar sign is a currency. Drop a box around the whole."""
    if len(_DOLLARS.findall(text)) % 2 == 0:
        text = _DOLLARS.sub(" ", text).strip()
    box = re.match(r"\\(?:boxed|fbox)\s*\{", text)
    if box and text.endswith("}") and _closes_at_end(text, box.end() - 1):
        text = text[box.end() : -1].strip()
    return text


def _closes_at_end(text: str, start: int) -> bool:
    depth = 0
    for index in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index == len(text) - 1
    return False


def _without_full_stop(text: str) -> str:
    text = text.strip().rstrip("¶;,").rstrip()
    while text.endswith(".") and not text.endswith(".."):
        text = text[:-1].rstrip()
    return text


def _unwrap(match: re.Match[str]) -> str:
    command, content = match[1], match[2]
    word = content.strip()
    if command == "mathbb":
        return "ℝ" if word == "R" else word
    if command in _SYMBOLIC or (command in ("mathrm", "operatorname") and len(word) == 1):
        return f" {content} "
    if word in FUNCTIONS or (command.startswith("operatorname") and word.isalpha()):
        return f"\\{word} "
    if _AND_OR.search(word) or not re.search(r"[^\W\d_]", word):
        return f" {content} "
    if re.search(r"[\d=+*/^<>()\\$%-]", word):
        return f" {content} "
    return f"\\text{{{word}}}"


def _command(match: re.Match[str]) -> str:
    name = match[1]
    if name in ("text", "begin", "end") or name in FUNCTIONS:
        return f"\\{name}"
    return _COMMANDS.get(name, f"\\{name}")
