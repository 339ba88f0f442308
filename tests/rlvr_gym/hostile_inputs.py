r"""Completions written to hang, crash, bloat, trick or take over whatever judges them, by kind.

Almost all are wrong, whatever the reference; the few that are right say so. `CANARY` in a text stands for a path
that must never come to exist. `IN_PROCESS` are to be decided without a worker process, `FOR_WORKERS` get as far as
the algebra system, or would if it were less choosy; `GOLDS` are hostile references.
"""

from __future__ import annotations

from typing import NamedTuple

MILLION = 1_000_000


class Hostile(NamedTuple):
    """A completion that no verifier enjoys, what it is called, and whether it is right all the same."""

    name: str
    completion: str
    gold: str = "42"
    right: bool = False


def _boxed(answers: dict[str, str], gold: str = "42") -> list[Hostile]:
    return [Hostile(name, f"\\boxed{{{answer}}}", gold) for name, answer in answers.items()]


def _around(names: list[str]) -> list[Hostile]:
    return _boxed({name: name for name in names})


_POWERS = _around(
    [
        "9**9**9",
        "9^{9^{9}}",
        "9^{9^{9^{9^{9}}}}",
        "10^{10^{10}}",
        "10^{-10^{10}}",
        "(10^{10})^{(10^{10})}",
        "2^{2^{2^{2^{2^{2}}}}}",
        "0.5^{10^{12}}",
        "(-1)^{10^{30}}",
        "42^{1/10^{9}}",
        r"\sqrt[10^9]{2}",
        r"\sqrt[0]{42}",
        "x^{9^{9^9}}",
        "(1+x)^{100000}",
        "(x+y+z+w)^{400}",
        "(((((x+1)^9+1)^9+1)^9+1)^9+1)^9",
        "(1+1/10^{9})^{10^{9}}",
        "1.0000001^{99999999}",
        "i^{i^{i^{i^{i}}}}",
        r"e^{e^{e^{e^{e}}}}",
        r"\exp(\exp(\exp(\exp(9))))",
        r"\ln(10^{10^{10}})",
        r"\log_{10^{-300}}(10^{10^{6}})",
        r"\sin(10^{10^{10}})",
        r"\tan\tan\tan\tan(10^{60})",
        r"\cos(9^{9^{5}})",
        "0^{-1}",
        "0^0^0",
        "(-42)^{0.5^{99}}",
        "2^{10^5}-2^{10^5}+41",
    ]
)

_FACTORIALS = _around(
    [
        "99999999!",
        "3!!!!!!!!!",
        "(10^9)!",
        "(10^{100})!",
        "(-5)!",
        "(1/2)!",
        "100000!/99999!",
        "x!!!!!!",
        r"\binom{10^9}{5\cdot 10^8}",
        r"\binom{10^{30}}{10^{29}}",
        r"\frac{(10^6)!}{(10^6-1)!}",
    ]
)

_NESTING = _boxed(
    {
        "1,500 round brackets": "(" * 1500 + "41" + ")" * 1500,
        "100,000 round brackets": "(" * 100_000 + "41" + ")" * 100_000,
        "100,000 braces": "{" * 100_000 + "41" + "}" * 100_000,
        "braces and nothing in them": "{" * 1000 + "}" * 1000,
        "square brackets": "[" * 1900 + "41" + "]" * 1900,
        "sets of sets": r"\{" * 40 + "1" + r"\}" * 40,
        "tuples of tuples": "(1," * 900 + "1" + ")" * 900,
        "a continued fraction, 300 deep": r"\frac{1}{" * 300 + "1" + "}" * 300,
        "a continued fraction, 20 deep": r"1+\frac{1}{" * 20 + "1" + "}" * 20,
        "a continued fraction, 58 deep": r"1+\frac{1}{1-" * 58 + "x" + "}" * 58,
        "towers": "2^" * 1500 + "2",
        "braced towers": "2^{" * 900 + "2" + "}" * 900,
        "roots of roots": r"\sqrt{" * 59 + "2" + "}" * 59,
        "roots without braces": r"\sqrt" * 1000 + "2",
        "fractions without braces": r"\frac" * 1000 + "12",
        "sines of sines": r"\sin(" * 45 + "2" + ")" * 45,
        "sines without brackets": r"\sin" * 1000 + "2",
        "logarithms of logarithms": r"\ln " * 900 + "2",
        "subscripts": "x" + "_{x" * 900 + "}" * 900,
        "primes": "f" + "'" * 3900,
        "absolute values": "|" * 2000,
        "absolute values with x": "|x-" * 58 + "1" + "|" * 58,
        "floors": r"\lfloor " * 59 + "x" + r"\rfloor " * 59,
        "minus before brackets": "-(" * 900 + "x" + ")" * 900,
        "minus one plus": "-(1+" * 45 + "x" + ")" * 45,
        "text in text": r"\text{" * 500 + "42" + "}" * 500 + "x",
        "boxes in boxes": r"\boxed{" * 900 + "41" + "}" * 900,
        "left without right": r"\left(" * 600 + "41",
        "matrices in matrices": r"\begin{pmatrix}" * 100 + "1" + r"\end{pmatrix}" * 100,
        "unions of intervals": r"\cup".join(["(0,1)"] * 600),
        "cases of cases": r"\begin{cases}" * 200 + "1" + r"\end{cases}" * 200,
    }
)

_LONG = [
    Hostile("a megabyte of x", "x" * MILLION),
    Hostile("a megabyte of spaces", " " * MILLION),
    Hostile("a megabyte of line ends", "\n" * MILLION),
    Hostile("a megabyte of backslashes", "\\" * MILLION),
    Hostile("a megabyte of closing braces", "}" * MILLION),
    Hostile("a megabyte of dollars", "$" * MILLION),
    Hostile("a megabyte before the right answer", "blah " * 200_000 + "\\boxed{42}", right=True),
    Hostile("a megabyte after the right answer", "\\boxed{42} " + "blah " * 200_000, right=True),
    Hostile("a megabyte of backslashes before the right answer", "\\ " * 500_000 + "\\boxed{42}", right=True),
    *_boxed(
        {
            "a million digits": "9" * MILLION,
            "a million zeros before 41": "0" * MILLION + "41",
            "a million digits after the point": "42." + "0" * (MILLION - 1) + "1",
            "a megabyte of pluses": "1+" * (MILLION // 2) + "1",
            "a megabyte of spaces and 41": " " * MILLION + "41",
            "3,999 digits": "9" * 3999,
            "3,000 decimals": "0." + "1" * 3000,
            "1,900 summands": "+".join(["1"] * 1900),
            "1,900 items": ",".join(["1"] * 1900),
            "60 squares": ",".join(["x^2"] * 60),
            "300 factors": "*".join(f"(x_{k}+1)" for k in range(300)),
            "900 factors": "x" * 2 + "*x" * 900,
            "900 quotients": "x/" * 900 + "x",
            "900 differences": "x-" * 900 + "x",
            "2,000 ones": "1 " * 2000,
            "1,000 percent signs": "2" + "%" * 1000,
            "1,000 degree signs": "2" + r"^\circ" * 600,
            "1,900 minus signs": "-" * 1901 + "42",
            "3,000 letters of text": r"\text{" + "a" * 3000 + "}",
            "3,000 letters of index": "x_{" + "y" * 3000 + "}",
            "a chain of 900 equations": "1=" * 900 + "1",
            "a chain of 900 unequal": "<".join(map(str, range(900))),
            "900 about-signs": r"\approx " * 900 + "1",
            "a ratio of 1,900": ":".join(["1"] * 1900),
            "900 ors": r"\text{ or }".join(["1"] * 500),
            "repeating decimals": r"0.\overline{" + "1" * 3900 + "}",
            "500 decimals that repeat": ",".join([r"0.\overline{12}"] * 250),
            "a polynomial in 300 letters": "+".join(f"x_{{{k}}}^{{{k}}}" for k in range(300)),
            "big rationals added": "+".join(rf"\frac{{1}}{{{10**20 + k}}}" for k in range(90)),
        }
    ),
]

_PLUS_MINUS = _boxed(
    {
        "500 plus-minus": r"\pm 1" * 500,
        "30 plus-minus": r"\pm 1" * 30,
        "a hundred thousand plus-minus": r"\pm 1" * 100_000,
        "plus-minus of plus-minus": r"\pm\pm\pm\pm 42" * 30,
        "plus-minus in towers": r"2^{\pm" * 50 + "1" + "}" * 50,
        "12 plus-minus in a list": ",".join([r"1\pm\sqrt{2}"] * 200),
        "plus-minus alone": r"\pm",
        "minus-plus roots": r"\sqrt{1\pm" * 40 + "2" + "}" * 40,
    }
)

_MATRICES = _boxed(
    {
        "300 columns": r"\begin{pmatrix}" + "&".join(["1"] * 300) + r"\end{pmatrix}",
        "1,000 rows": r"\begin{pmatrix}" + r"\\".join(["1"] * 1000) + r"\end{pmatrix}",
        "40 by 40": r"\begin{pmatrix}" + r"\\".join(["&".join(["1"] * 40)] * 40) + r"\end{pmatrix}",
        "a megabyte of matrix": r"\begin{pmatrix}" + "1&" * 400_000 + r"1\end{pmatrix}",
        "empty cells": r"\begin{pmatrix}" + "&" * 900 + r"\end{pmatrix}",
        "ragged": r"\begin{pmatrix}1&2\\3\\4&5&6\end{pmatrix}",
        "rows only": r"\\" * 900,
        "never ended": r"\begin{pmatrix}1&2" * 100,
        "an array with a silly head": r"\begin{array}{" + "c" * 900 + r"}1\end{array}",
        "an array that repeats columns": r"\begin{array}{*{99999999}{c}}42\end{array}",
        "a list of lists": "[" + ",".join(["[1,2]"] * 300) + "]",
        "ended before it began": r"\end{pmatrix}42\begin{pmatrix}",
    }
)

_MARKERS = [
    Hostile("twenty thousand boxes opened", r"\boxed{" * 20_000),
    Hostile("twenty thousand boxes opened, the last closed", r"\boxed{" * 20_000 + "42}", right=True),
    Hostile("twenty thousand boxes joined", r"\boxed{1}, " * 20_000),
    Hostile("twenty thousand right boxes joined to a wrong one", r"\boxed{42}, " * 20_000 + r"\boxed{41}"),
    Hostile(
        "twenty thousand boxes and then the right one", r"\boxed{1} x " * 20_000 + r"\boxed{42}", right=True
    ),
    Hostile("twenty thousand empty boxes", r"\boxed{}" * 20_000),
    Hostile("every integer up to 999 boxed", ",".join(rf"\boxed{{{k}}}" for k in range(1000))),
    Hostile("every integer up to 999 in one box", rf"\boxed{{{', '.join(map(str, range(1000)))}}}"),
    Hostile("a box in half a thinking", r"<think>\boxed{42}" * 20_000),
    Hostile("thinking opened only", "<think>" * 20_000 + r"\boxed{42}"),
    Hostile("thinking closed only, after the box", r"\boxed{42}" + "</think>" * 20_000),
    Hostile("thinking in thinking", "<think>" * 20_000 + r"\boxed{42}" + "</think>" * 20_000),
    Hostile("box unclosed", r"\boxed{42"),
    Hostile("box closed by an escaped brace", r"\boxed{42\}"),
    Hostile("box with a brace too many inside", r"\boxed{{42}"),
    Hostile("box that only a comment closes", "\\boxed{42 % }\n"),
    Hostile("box without braces", r"\boxed 41 \boxed 42 43"),
    Hostile("a right box then an unclosed one", r"\boxed{42} \boxed{"),
    Hostile("a box cut in its command", r"\boxed{42} and \boxe{42}\boxed{41"),
    Hostile("a box of nothing but commands", r"\boxed{" + r"\," * 1000 + "}"),
    Hostile("a box with line ends", "\\boxed{4\n\n2}"),
    Hostile("a box in a box", r"\boxed{41 \boxed{42}}"),
    Hostile("a hedge of boxes", r"\boxed{41} or \boxed{42}"),
    Hostile("a box after a null character", "\\boxed{42\x00}\\boxed{41}"),
    Hostile("a tag where a box is asked for", "<answer>42</answer>"),
    Hostile("any number", r"\boxed{42 \text{ or any number}}"),
    Hostile("whatever is right", r"\boxed{\text{the correct answer}}"),
    Hostile("the reference by name", r"\boxed{\text{reference}}"),
]

CODE = _boxed(
    {
        "import": "__import__('os').system('touch CANARY')",
        "import in text": r"\text{__import__('os').system('touch CANARY')}",
        "open": "open('CANARY','w').write('1')",
        "exec": "exec(\"open('CANARY','w')\")",
        "eval of characters": "eval(chr(111)+chr(112)+'en')('CANARY','w')",
        "touch": "__import__('pathlib').Path('CANARY').touch()",
        "a lambda": "(lambda: open('CANARY','w'))()",
        "subclasses": "().__class__.__base__.__subclasses__()[-1]('touch CANARY',shell=True)",
        "a comprehension": "[open('CANARY','w') for _ in (1,)]",
        "a list that runs": "[__import__('os').system('touch CANARY'), 42]",
        "a tuple that runs": "(42, __import__('os').system('touch CANARY'))",
        "after the right answer": "42 if open('CANARY','w') else 42",
        "or the right answer": "open('CANARY','w') or 42",
        "an f-string": 'f\'{open("CANARY","w")}\'',
        "a format string": "{0.__class__.__init__.__globals__}",
        "a percent format": "%s%s%s%n%n%(CANARY)s",
        "sympify": "sympify(\"open('CANARY','w')\")",
        "Symbol with an attribute": "x.__class__.__mro__[1].__subclasses__()",
        "S of text": "S(\"__import__('os').system('touch CANARY')\")",
        "a lambdified name": "Lambda(x, __import__('os').system('touch CANARY'))",
        "operatorname": r"\operatorname{__import__('os').system('touch CANARY')}",
        "operatorname in an integral": r"\int \operatorname{__import__('os').system('touch CANARY')} dx",
        "inside max": r"\max(__import__('os').system('touch CANARY'))",
        "a variable's name": r"x_{__import__('os').system('touch CANARY')}",
        "mathrm": r"\mathrm{open('CANARY','w')}",
        "write18": r"\write18{touch CANARY}",
        "immediate write18": r"\immediate\write18{touch CANARY}42",
        "input": r"\input{/etc/passwd}",
        "input of a pipe": r'\input{|"touch CANARY"}',
        "openout": r"\newwrite\f\immediate\openout\f=CANARY\immediate\write\f{42}",
        "catcode": r"\catcode`\@=11 \@@input CANARY",
        "a macro that grows": r"\def\a{\a\a}\a",
        "csname": r"\csname write18\endcsname{touch CANARY}",
        "directlua": r"\directlua{os.execute('touch CANARY')}",
        "a shell": "$(touch CANARY)",
        "backticks": "`touch CANARY`",
        "a semicolon": "42; touch CANARY",
        "a pickle": "cos\nsystem\n(S'touch CANARY'\ntR.",
        "a pickle in base64": "gASVIQAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAR0cnVllIWUUpQu",
        "a yaml tag": "!!python/object/apply:os.system ['touch CANARY']",
        "jinja": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "sql": "42'; ATTACH DATABASE 'CANARY' AS x; --",
        "json": '{"__reduce__": ["os.system", "touch CANARY"]}',
        "xml": '<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><x>&y;</x>',
        "javascript": "<script>require('fs').writeFileSync('CANARY','')</script>",
        "a decorator": "@exec\n@input\nclass X: pass",
        "a walrus": "(x:=open('CANARY','w'))",
        "await": "await open('CANARY','w')",
        "an object that equals all": "type('E',(int,),{'__eq__':lambda *a:True})()",
    }
)

_UNICODE = [
    *_boxed(
        {
            "right to left": "\u202e24\u202c",
            "isolated right to left": "\u206724\u2069",
            "combining marks": "4\u0338" + "2\u0338",
            "a thousand combining marks": "4" + "\u0301" * 1000 + "2",
            "lone surrogates": "\ud800" * 10,
            "surrogates around the answer": "\udfff42\ud800",
            "fullwidth, wrong": "４１",
            "arabic-indic, wrong": "٤١",
            "devanagari, wrong": "४१",
            "mathematical bold, wrong": "𝟒𝟏",
            "mixed scripts, wrong": "٤१",
            "circled, wrong": "④①",
            "superscripts only": "⁴²",
            "roman letters": "ⅩⅬⅡ",
            "cyrillic homoglyphs": "4З",
            "o for zero": "4O",
            "l for one": "4l",
            "zero width in the middle of 41": "4\u200b1",
            "a soft hyphen": "\u00ad41",
            "null characters": "4\x001",
            "escape codes": "\x1b[31m41\x1b[0m",
            "private use": "\ue000\uf8ff",
            "a byte order mark": "\ufeff41",
            "tags": "41" + "\U000e0034\U000e0032",
            "variation selectors": "4\ufe0f1\ufe0f",
            "keycaps": "4\ufe0f\u20e3" + "1\ufe0f\u20e3",
            "emoji": "🧮" * 1000,
            "a ligature that grows": "\ufdfa" * 3000,
            "fractions of unicode": "½" * 1000,
            "vulgar thousands": "⅓⅔⅛⅜⅝⅞" * 300,
            "turkish i": "İ" * 3000,
            "sharp s": "ẞß" * 1500,
            "hangul fillers": "ㅤ" * 3000,
            "line separators": "4\u20281",
            "superscript towers": "2" + "⁹" * 3000,
            "subscript bases": "41" + "₉" * 3000,
            "minus signs of all sorts": "−–—‐‑⁻" * 300 + "42",
            "infinities": "∞" * 3000,
            "roots": "√" * 3900 + "2",
        }
    ),
    Hostile("a box in fullwidth letters", "＼ｂｏｘｅｄ｛42｝"),
    Hostile("a box with a zero-width space", "\\bo\u200bxed{42}"),
    Hostile("a box with a homoglyph", "\\b\u043exed{42}"),
    Hostile("half a megabyte of surrogates", "\ud83d" * 500_000 + r"\boxed{41}"),
    Hostile("half a megabyte of combining marks", "a" + "\u0301" * 500_000 + r"\boxed{41}"),
    Hostile("half a megabyte of emoji", "🧮" * 500_000 + r"\boxed{41}"),
]

_NOT_NUMBERS = [
    *_around(
        [
            "nan",
            "NaN",
            "-nan",
            "inf",
            "-inf",
            "Infinity",
            r"\infty-\infty",
            r"\frac{0}{0}",
            r"\frac{42}{0}",
            r"\frac{\infty}{\infty}",
            r"0\cdot\infty",
            r"1^{\infty}",
            r"\ln 0",
            r"\tan\frac{\pi}{2}",
            r"\frac{1}{1-1}",
            r"\frac{42}{x-x}",
            r"\frac{42(x-x)}{x-x}",
            "1e999999999",
            "1e-999999999",
            "-1e999999999999999999999",
            r"10^{400}\cdot 10^{-400}\cdot 41",
            "42e",
            "e42",
            "0x29",
            "0b101011",
            "42L",
            "4_1",
            "4.1.2",
            "..42..",
            "None",
            "True",
            "null",
            "zoo",
            "oo",
            "E1",
            "I",
        ]
    ),
    *_boxed({"undefined is not infinite": r"\frac{1}{0}"}, gold=r"\infty"),
    *_boxed({"nan is not nan": "nan"}, gold=r"\frac{1}{2}"),
]

_REGEX_BOMBS = _boxed(
    {
        "thousands without end": "1" + ",000" * 950 + ",00",
        "thousands with spaces": "1" + " 000" * 950 + " 00",
        "thousands in braces": "1" + "{,}000" * 600 + "{,}0",
        "digits and points": "1.1" * 1200,
        "digits and spaces": "4 " * 1900 + "x",
        "letters and spaces": "a " * 1900 + "!",
        "units and units": "5" + r"\text{ cm}" * 380,
        "compound units": "5" + r"\text{ m/s}" * 300,
        "units with powers": "5 m" + "^2" * 1900,
        "a unit of 3,000 letters": "5 " + "m" * 3000,
        "slashes": "1" + "/1" * 1900,
        "colons": "1" + ":00" * 1300,
        "bases": "1_" * 1000,
        "bases in braces": "1" + "_{8}" * 900,
        "am and pm": "10:30 " + "AM PM " * 600,
        "dollars in pairs": "$4$" * 1300,
        "open text": r"\text{" * 650,
        "open mathrm": r"\mathrm{m" * 400,
        "empty commands": "\\" * 3999,
        "unknown commands": "\\" + "a" * 3900,
        "braces and commas": "{,}" * 1300,
        "names and equals": "x=" * 1900 + "42",
        "words and equals": "the answer is " * 280,
        "left and right": r"\left.\right." * 300,
        "spaces of TeX": r"\quad\,\;\!" * 350 + "41",
        "choices": "(A) " * 1000,
        "ands": "1 and " * 650,
        "repeating points": "0." + "3" * 1900 + "..." * 600,
        "degrees, minutes, seconds": "5" + r"^\circ 5' 5''" * 280,
        "percent and percent": "5" + r"\%\text{ percent}" * 220,
        "dates": "June 20, " * 440,
        "currencies": r"\$€£¥" * 700 + "42",
        "exponents": "1e5" * 1300,
        "mixed numbers": r"1\frac12" * 480,
        "question marks": "42" + "?" * 3900,
        "an inequality of all signs": r"<>\le\ge\ne=" * 300,
        "sets that are never closed": r"\{1|" * 900,
        "set builders": r"\{x|x:x|" * 480,
        "primes and stars": "x'*" * 1300,
    }
)

IN_PROCESS: dict[str, list[Hostile]] = {
    "powers": _POWERS,
    "factorials": _FACTORIALS,
    "deep nesting": _NESTING,
    "long texts": _LONG,
    "plus-minus": _PLUS_MINUS,
    "matrices": _MATRICES,
    "markers": _MARKERS,
    "code": CODE,
    "unicode": _UNICODE,
    "not numbers": _NOT_NUMBERS,
    "regex bombs": _REGEX_BOMBS,
}


def _determinant(size: int, cell: str) -> str:
    rows = (r"&".join(cell.format(r=row, c=column) for column in range(size)) for row in range(size))
    return "\\begin{vmatrix}" + r"\\".join(rows) + "\\end{vmatrix}"


FOR_WORKERS: dict[str, list[Hostile]] = {
    "integrals": _around(
        [
            r"\int_0^1 x^{x^{x^x}} dx",
            r"\int_0^{\infty} e^{-x^x} \sin(x^{x}) dx",
            r"\int_0^1 \int_0^1 \int_0^1 e^{xyz} dx dy dz",
            r"\int \sin(\sin(\sin(\sin x))) dx",
            r"\int_0^{\pi} \frac{x^{99} \sin x}{1+\cos^{98} x} dx",
            r"\int_0^1 x^{9^{9}} dx",
            r"\int 99999999! dx",
            r"\int_{-\infty}^{\infty} \frac{1}{x^{40}+x^{39}+1} dx",
            r"\int \sqrt{\tan x + \sqrt{\tan x}} dx",
            r"\int_0^{10^{10^{10}}} x dx",
        ]
    ),
    "sums and products": _around(
        [
            r"\sum_{k=1}^{10^{10}} \frac{1}{k}",
            r"\sum_{k=1}^{10^{6}} \sin k",
            r"\sum_{k=1}^{1000000} k^{k}",
            r"\sum_{k=1}^{99999999} k!",
            r"\sum_{k=0}^{\infty} \frac{1}{k^{k}}",
            r"\sum_{k=1}^{100} \sum_{j=1}^{100} \sum_{i=1}^{100} \frac{1}{i+j+k}",
            r"\prod_{k=1}^{10^{9}} k",
            r"\prod_{k=1}^{100000} (x+k)",
            r"\prod_{k=1}^{10^{10}} \frac{k+1}{k}",
            r"\prod_{k=1}^{9^{9^{9}}} 2",
        ]
    ),
    "limits": _around(
        [
            r"\lim_{x \to 0} \frac{\sin(\tan x) - \tan(\sin x)}{x^{7}}",
            r"\lim_{x \to \infty} x^{x^{x^{x}}}",
            r"\lim_{x \to 0} (\sin x)^{(\sin x)^{(\sin x)^{\sin x}}}",
            r"\lim_{x \to \infty} \frac{x!}{x^{x}}",
            r"\lim_{n \to \infty} \sum_{k=1}^{n} \frac{n}{n^2+k^2}",
        ]
    ),
    "determinants": _boxed(
        {
            "12 by 12, powers": _determinant(12, "x^{{{r}}}+{c}"),
            "9 by 9, letters": _determinant(9, "x_{r}y_{c}"),
            "16 by 16, digits": _determinant(16, "{r}"),
        }
    ),
    "functions that sympy knows": _around(
        [
            r"\binom{-10^9}{10^9}",
            r"\binom{x}{10^9}",
            r"\max(9^{9^{9}}, 1)",
            r"\min(10^{10^{10}}, 41)",
            r"\gcd(10^{10^{9}}, 3)",
            r"\operatorname{lcm}(99999999!, 3)",
            r"\gcd(x^{100}-1, x^{99}-1)",
            r"\max(\binom{10^9}{5\cdot 10^8}, 1)",
            r"\max(1.5^{10^{9}}, 2)",
            r"\max(99999999!, 1)",
            r"\min(3!!!!!!, 1)",
            r"\max(" + "(" * 200 + "1" + ")" * 200 + ",0)",
            r"\max(" + "1+" * 450 + "1,0)",
            r"\max(" + r"\frac{1}{" * 60 + "1" + "}" * 60 + ",0)",
            r"\max(" + ",".join(map(str, range(41))) + ")",
            r"\max((1+x)^{9999},0)",
            r"\max((a+b+c+d+e+f+g+h)^{60},0)",
            r"\max(\sin(\cos(\tan(\sin(\cos(\tan x))))),0)",
            r"\lim_{x \to 0} \max(",
            r"\int\int\int\int\int",
            r"\sum\sum\sum",
            r"\{1,2\} \cap \{3\}",
            r"\mathbb{R} \setminus \mathbb{R}",
            r"\mathbb{Z} \cap (0,10^{10^{10}})",
            r"\max(\operatorname{exec}, 1)",
            r"\max(\operatorname{open}(x), 1)",
        ]
    ),
}

GOLDS: dict[str, str] = {
    "a tower": "9^{9^{9^{9}}}",
    "a factorial": "99999999!",
    "a million digits": "9" * MILLION,
    "3,999 digits": "9" * 3999,
    "brackets": "(" * 1500 + "1" + ")" * 1500,
    "braces": "{" * 100_000 + "}" * 100_000,
    "plus-minus": r"\pm 1" * 500,
    "code": "__import__('os').system('touch CANARY')",
    "code in text": r"\text{__import__('os').system('touch CANARY')}",
    "nothing to see": r"\,",
    "spaces": "   ",
    "nan": "nan",
    "a quotient by nothing": r"\frac{1}{0}",
    "a broken fraction": r"\frac{1}{",
    "surrogates": "\ud800",
    "a jumble": r"\frac\sqrt^_{}\pm\cup",
    "an integral": r"\int_0^1 x^{x^{x^x}} dx",
    "a sum": r"\sum_{k=1}^{10^{10}} \sin k",
    "a long list": ",".join(["1"] * 1900),
    "a big matrix": r"\begin{pmatrix}" + "1&" * 1000 + r"1\end{pmatrix}",
}
