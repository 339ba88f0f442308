"""LaTeX, Unicode and plain text to the plain notation of `notation`.

Nothing that bears meaning is dropped: units, percent signs, degrees and brackets stay.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from rlvr_gym.verifiers.math.expressions.cross_products import with_cross_products
from rlvr_gym.verifiers.math.text.notation import (
    FUNCTIONS,
    GREEK,
    NARY,
    SIGN_OF_CHARACTER,
    SIGN_OF_COMMAND,
    SIGN_OF_TEXT,
    UNIT_VECTORS,
)

_CIRCLED = str.maketrans("①②③④⑤⑥⑦⑧⑨⑩", "ABCDEFGHIJ")
_INNER_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{([^{}]*)\}")
_ARC_MINUTES = re.compile(r"(\d+)\s*°\s*(\d+)\s*'(?!')")
_UNIT_QUOTIENT = re.compile(r"[A-Za-zμΩ]+(?:\s*[/*]\s*[A-Za-zμΩ]+(?:\^-?\d)?)+")
_ORDINAL_ENDING = re.compile(
    r"(?<=\d)\s*(?:\^\s*\{?\s*(?:\\text\{\s*)?(st|nd|rd|th)\s*\}?\s*\}?|\\text\{\s*(st|nd|rd|th)\s*\})"
)
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ]+")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₒₓₖₘₙₜᵢⱼ]+")
_THOUSANDS = re.compile(r"(?<=\d)\s*(?:\{,\}|,\s*\\!)\s*(?=\d{3}(?!\d))")
_THIN_THOUSANDS = re.compile(r"(?<![\d.,\\_^])\d{1,3}(?:(?:\\[,;:! ]|~|\s)\s*\d{3}(?!\d))+")
_DOTTED = re.compile(r"(?<=[.\d])\\(?:bar|dot)\s*(?:\{\s*(\d+)\s*\})")
_PERIOD_IN_BRACKETS = re.compile(r"(?<=\d\.)\((\d+)\)")
_MIXED = re.compile(r"(?<![\w.}\\^)])(\d+)[ ~]+(\d+)/(\d+)(?![\d./^]|[A-Za-z](?![A-Za-z]))")
_DEGREES = re.compile(
    r"(?:\{\})?\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|(?<=\d)\^(?:\\text)?\{?o\}?(?![A-Za-z}])"
)
_TEMPERATURE = re.compile(r"\\text\{\s*°\s*([CF])\s*\}|°\s*\\text\{\s*([CF])\s*\}|°\s*([CF])(?![A-Za-z])")
_SCALES = {"C": "celsius", "F": "fahrenheit"}
_BRACED_SIGN = re.compile(r"(?<![A-Za-z])\{([-+.:=<>])\}")
_OVER = re.compile(r"\{([^{}]*)\\(over|choose)(?![A-Za-z])([^{}]*)\}")
_CHOSEN = re.compile(
    r"(?:\{\s*\})?[_^]\s*\{?\s*(\d+)\s*\}?\s*(?:\\text\{C\}|C)\s*_\s*\{?\s*(\d+)\s*\}?"
    r"|(?<![A-Za-z\\}])C_\{?(\d+)\}?\^\{?(\d+)\}?|(?<![A-Za-z\\}])C\(\s*(\d+|[a-z])\s*,\s*(\d+|[a-z])\s*\)"
)
_UNIT_TEXT = r"\\text\{[^{}]*\}(?:\s*\^\s*(?:\{\s*-?\d\s*\}|\d))?"
_QUOTIENT_UNIT = re.compile(rf"\\frac\s*\{{\s*({_UNIT_TEXT})\s*\}}\s*\{{\s*({_UNIT_TEXT})\s*\}}")
_STYLES = (
    r"\\(text|textrm|textbf|textit|textnormal|textsf|texttt|mathrm|mbox|hbox|operatorname\*?"
    r"|underline|framebox|mathbf|mathit|mathsf|mathcal|boldsymbol|bm|vec|mathbb|overrightarrow)"
)
_WRAPPED = re.compile(_STYLES + r"\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
_BARE_STYLE = re.compile(_STYLES + r"(?:\s+([A-Za-z])|\s*(\\[A-Za-z]+))(?![A-Za-z])")
_INDEX_IN_WORDS = re.compile(r"_\s*(?:\{\s*)?\\(?:text\s*\{\s*(\w+)\s*\}|(max|min)(?![A-Za-z]))(?:\s*\})?")
_SYMBOLIC = frozenset(
    {"underline", "framebox", "mathbf", "mathit", "mathsf", "mathcal", "boldsymbol", "bm", "vec"}
)
_UNIT_VECTOR = re.compile(
    r"\\(?:hat|widehat|vec)\s*(?:\{\s*(?:\\(?:mathbf|boldsymbol|bm)\s*\{\s*)?\\?([ijk])(?:math)?\s*\}?\s*\}|\\?([ijk])(?:math)?(?![A-Za-z]))"
    r"|\\(?:mathbf|boldsymbol|bm)\s*\{\s*(?:\\hat\s*\{?\s*)?\\?([ijk])(?:math)?\s*\}?\s*\}"
    r"|\\(?:mathbf|boldsymbol|bm)(?![A-Za-z])\s*\\?([ijk])(?:math)?(?![A-Za-z])"
)
_ACCENT = re.compile(
    r"\\(overline|bar|hat|widehat|tilde|widetilde)\s*(?:\{\s*([A-Za-z]|[A-Z]{2,4}|\\[a-z]+)\s*\}|([A-Za-z])(?![A-Za-z]))"
)
_INVISIBLE = re.compile(
    r"\\(?:left|right)\s*\.|\\(?:hspace|vspace|phantom)\*?\{[^{}]*\}|&nbsp;|\\allowbreak(?![A-Za-z])"
    r"|\\(?:text)?color\s*\{[^{}]*\}|(?<=\\\\)\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm|in)\s*\]"
)
_ANGLES = re.compile(r"\\left\s*<|\\right\s*>")
_ENVIRONMENT = re.compile(r"\\(begin|end)\s*\{([A-Za-z]*)\*?\}")
_COMMAND = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
_AND_OR = re.compile(r"(?<![A-Za-z\\])(and|or)(?![A-Za-z])", re.IGNORECASE)
_GLUED_OR = re.compile(r"(?<=[\d)\]}])(or|and)(?=[\d(\[]|[A-Za-z](?:\(|=|\s*=))")
_DOLLARS = re.compile(r"(?<!\\)\$")
_ANSWER = r"(?:final |correct |required )?(?:answer|solution|result)"
_LEAD = re.compile(
    rf"^(?:\\text\{{)?(?:(?:so|thus|hence|therefore|then),? )?(?:we (?:find|get|have|obtain|see)(?: that)? "
    rf"|(?:the |my |our )?{_ANSWER}(?: is)?\s*[:=]?(?:\}}\s*|\s+)|(?<= ))",
    re.IGNORECASE,
)
_TRAIL = re.compile(rf"(?:\\text\{{)?\s+is (?:the|our|my) {_ANSWER}\s*\}}?\.?$", re.IGNORECASE)
_TIMES_X = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*\^)")
_INCHES = re.compile(r"(?<=\d)\s*(?:\"|'')(?=\s*$)")
_FEET = re.compile(r"(?<=\d)'(?=\s*\d+(?:\.\d+)?\s*\\text\{inches|\s*$)")
_ASIDE = re.compile(r"(.*\S)\s*\(\s*([∨=≈].*)\)", re.DOTALL)
_REPEATED = re.compile(r"(?<![\d.])(\d*)\.(\d+)\s*(?:…|\.{3,})")


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """`text` in the plain notation. Time linear in its length."""
    text = with_cross_products(text)
    text = (text if text.isascii() else text.translate(_CIRCLED)).translate(SIGN_OF_CHARACTER)
    text = _RAISED.sub(lambda m: f"^{{{unicodedata.normalize('NFKC', m[0])}}}", text)
    text = _LOWERED.sub(lambda m: f"_{{{unicodedata.normalize('NFKC', m[0])}}}", text)
    text = unicodedata.normalize("NFKC", text).replace("−", "-").strip().strip("`")
    text = text[2:-2] if text.startswith("**") and text.endswith("**") and len(text) > 4 else text
    text = _without_doubling(_without_delimiters(text))
    if "\\" in text or "{" in text:
        text = _OVER.sub(_over, _BRACED_SIGN.sub(r"\1", text))
        text = _ANGLES.sub(lambda m: "⟨" if "left" in m[0] else "⟩", _DOTTED.sub(r"\\overline{\1}", text))
    text = _THIN_THOUSANDS.sub(lambda m: re.sub(r"\D", "", m[0]), _THOUSANDS.sub("", text))
    text = text.replace("{,}", ",")
    text = _PERIOD_IN_BRACKETS.sub(r"\\overline{\1}", _MIXED.sub(r"\1\\frac{\2}{\3}", text))
    text = _DEGREES.sub("°", _INVISIBLE.sub(" ", text)).replace("**", "^")
    if "\\" in text:
        text = _plain_styles(text)
    text = _TRAIL.sub("", _LEAD.sub("", text.strip(), count=1))
    if "\\" in text:
        text = _ENVIRONMENT.sub(lambda m: f"\\{m[1]}{{{m[2]}}}", text)
        text = _QUOTIENT_UNIT.sub(_quotient_unit, _COMMAND.sub(_command, text))
    text = _ORDINAL_ENDING.sub(lambda m: m[1] or m[2], text)
    text = _TEMPERATURE.sub(lambda m: f"\\text{{{_SCALES[m[1] or m[2] or m[3]]}}}", text)
    if '"' in text or "'" in text:
        text = _ARC_MINUTES.sub(r"(\1+\2/60)°", text)
        text = _FEET.sub(r" \\text{feet} ", _INCHES.sub(r" \\text{inches}", text))
    for written, sign in SIGN_OF_TEXT:
        text = text.replace(written, sign)
    text = _REPEATED.sub(_repeated, _CHOSEN.sub(_chosen, text))
    text = _AND_OR.sub(_joint, _GLUED_OR.sub(_joint, _TIMES_X.sub("*", text)))
    if text.endswith(")") and (aside := _ASIDE.fullmatch(text)):
        text = f"{aside[1]} {aside[2]}"
    return " ".join(_without_full_stop(text).split())


def _without_doubling(text: str) -> str:
    r"""`\\frac` for `\frac`, as text has it that was escaped twice; a matrix has such pairs for its rows."""
    if "\\\\" not in text:
        return text.removesuffix("\\")
    doubled = "\\\\begin" in text or ("\\begin" not in text and re.search(r"\\\\[A-Za-z]", text))
    return text.replace("\\\\", "\\") if doubled else text


def _without_delimiters(text: str) -> str:
    """Drop `$...$`; a single dollar sign is a currency. Drop a box around the whole."""
    if "$" in text and len(_DOLLARS.findall(text)) % 2 == 0:
        text = _DOLLARS.sub(" ", text).strip()
    box = re.match(r"\\(?:boxed|fbox)\s*\{", text)
    if box and text.endswith("}") and _closes_at_end(text, box.end() - 1):
        text = text[box.end() : -1].strip()
    return _INNER_BOX.sub(r" \1 ", text) if "box" in text else text


def _closes_at_end(text: str, start: int) -> bool:
    depth = 0
    for index in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index == len(text) - 1
    return False


def _without_full_stop(text: str) -> str:
    text = text.strip().rstrip("¶;,\\").rstrip().removesuffix("{}")
    while text.endswith(".") and not text.endswith(".."):
        text = text[:-1].rstrip()
    return text


def _plain_styles(text: str) -> str:
    """Fonts and accents gone; words in `\\text{...}`."""
    text = _ACCENT.sub(_accent, _UNIT_VECTOR.sub(_unit_vector, text))
    text = _BARE_STYLE.sub(lambda m: f"\\{m[1]}{{{m[2] or m[3]}}}", text)
    for _ in range(3):
        text = _WRAPPED.sub(_unwrap, text)
    return _INDEX_IN_WORDS.sub(lambda m: f"_{{{m[1] or m[2]}}}", text)


def _unit_vector(match: re.Match[str]) -> str:
    return f" {UNIT_VECTORS[match[match.lastindex or 0]]} "


def _accent(match: re.Match[str]) -> str:
    r"""A segment `\overline{AB}` is `AB`; `\bar z` is another variable than `z`."""
    name = match[2] or match[3]
    kind = {"overline": "bar", "widehat": "hat", "widetilde": "til", "tilde": "til"}.get(match[1], match[1])
    if name[0] == "\\":
        return f"{name}_{{{kind}}}" if name[1:] in GREEK else match[0]
    return name if len(name) > 1 else f"{name}_{{{kind}}}"


def _unwrap(match: re.Match[str]) -> str:
    command, content = match[1], match[2]
    word = content.strip()
    if command == "mathbb":
        return f" {dict(zip('RZNQC', 'ℝℤℕℚℂ', strict=True)).get(word, word)} "
    if command == "overrightarrow" or command in _SYMBOLIC:
        return f" {content} "
    if (command in ("mathrm", "operatorname") and len(word) == 1) or word in ("i", "e"):
        return f" {content} "
    if (
        (word in FUNCTIONS and match.string[match.end() :].strip())
        or (word in NARY and match.string[match.end() : match.end() + 1] == "(")
        or (command.startswith("operatorname") and word.isalpha())
    ):
        return f"\\{word} "
    if match.start() and _UNIT_QUOTIENT.fullmatch(word):
        return f"\\text{{{word}}}"
    if _AND_OR.search(word) or not re.search(r"[^\W\d_]", word):
        return f" {content} "
    if re.search(r"[\d=+*/^<>()\\$%,-]", word):
        return f" {content} "
    return f"\\text{{{word}}}"


def _over(match: re.Match[str]) -> str:
    return f"\\{'frac' if match[2] == 'over' else 'binom'}{{{match[1]}}}{{{match[3]}}}"


def _chosen(match: re.Match[str]) -> str:
    n, k = (group for group in match.groups() if group)
    return f"\\binom{{{n}}}{{{k}}}"


def _repeated(match: re.Match[str]) -> str:
    r"""`0.333...` is a third, since its last digits repeat; `3.14159...` is a decimal that goes on."""
    digits = match[2]
    for length in range(1, len(digits) // 2 + 1):
        period = digits[-length:]
        if digits.endswith(period * max(2, 4 - length)):
            return f"{match[1] or 0}.{digits}\\overline{{{period}}}"
    return f"{match[1] or 0}.{digits}"


def _quotient_unit(match: re.Match[str]) -> str:
    over, under = (re.sub(r"\\text\{([^{}]*)\}", r"\1", side) for side in match.groups())
    return f"\\text{{{re.sub(r'[{}]', '', over)}/{re.sub(r'[{}]', '', under)}}}"


def _joint(match: re.Match[str]) -> str:
    return "∧" if match[1].lower() == "and" else "∨"


def _command(match: re.Match[str]) -> str:
    name = match[1]
    if name in ("text", "begin", "end") or name in FUNCTIONS:
        return f"\\{name}"
    return SIGN_OF_COMMAND.get(name, f"\\{name}")
