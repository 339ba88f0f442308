"""Units: optional, but they must not contradict."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

Dimension = tuple[tuple[str, int], ...]
ANGLE: Dimension = (("angle", 1),)


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """The unit of a number, or the things that it counts.

    `dimension` holds powers of length, mass and so on, sorted; `factor` converts the number to the base unit.
    `things` are words that are not units of measure (`apples`), in the singular; `said` are the same words as written,
    in order, in lower case.
    """

    factor: Fraction = Fraction(1)
    dimension: Dimension = ()
    things: frozenset[str] = field(default_factory=frozenset)
    said: tuple[str, ...] = field(default=(), compare=False)

    def rescales(self, other: Unit) -> bool:
        """Return whether both are units of the same quantity but differ in scale; a number without a unit has none."""
        return self != NONE != other and self.dimension == other.dimension and self.factor != other.factor

    def contradicts(self, other: Unit) -> bool:
        """Return whether no number can have both units, apart from their scale (see `factor`)."""
        if self.dimension and other.dimension:
            if self.dimension != other.dimension and not _generic(self.dimension, other.dimension):
                return True
            return bool(self.things and other.things and not self.things & other.things)
        if self.things and other.things:
            return not self.things & other.things
        counted, measured = (self, other) if self.things else (other, self)
        return bool(counted.things and not counted.dimension and measured.dimension not in ((), _UNIT))


NONE = Unit()
STERLING = Unit(dimension=(("sterling", 1),))
RADIAN: Dimension = (("radian", 1),)
_MONEY = frozenset({"dollar", "euro", "sterling", "yen", "rupee", "yuan"})
_UNIT: Dimension = (("unit", 1),)


def _generic(a: Dimension, b: Dimension) -> bool:
    """Return whether one unit is a general form of the other.

    "Units", "square units" and "cubic units" cover any unit of that power; a price covers a price per something.
    """
    for units, other in ((a, b), (b, a)):
        if len(units) == 1 and units[0][0] in _MONEY and [part for part in other if part[1] > 0] == [*units]:
            return True
        if len(units) == 1 and units[0][0] == "unit":
            power = units[0][1]
            return other == (("length", power),) or (power == 1 and all(name != "unit" for name, _ in other))
    return False


def _table(*rows: str) -> dict[str, tuple[Fraction, str]]:
    table: dict[str, tuple[Fraction, str]] = {}
    for row in rows:
        dimension, *units = row.split()
        for unit in units:
            names, _, factor = unit.partition("=")
            for name in names.split(","):
                table[name] = (Fraction(factor), dimension)
    return table


_UNITS = _table(
    "length m,meter,metre=1 cm,centimeter,centimetre=1/100 mm,millimeter,millimetre=1/1000 "
    "km,kilometer,kilometre=1000 AU=149597870700 dm,decimeter=1/10 in,inch=127/5000 ft,foot,feet=381/1250 "
    "yd,yard=1143/1250 mi,mile=1609344/1000 micron=1/1000000 angstrom=1/10000000000",
    "mass g,gram=1 kg,kilogram=1000 mg,milligram=1/1000 lb,lbs,pound=45359237/100000 "
    "oz,ounce=45359237/1600000 ton,tonne=1000000",
    "time s,sec,secs,second=1 min,mins,minute=60 h,hr,hrs,hour=3600 day=86400 week=604800 ms,millisecond=1/1000",
    "volume l,L,liter,litre=1/1000 ml,mL,cc,milliliter,millilitre=1/1000000 gallon,gal=473176473/125000000000 "
    "quart,qt=473176473/500000000000 pint,pt=473176473/1000000000000 cup=473176473/2000000000000 "
    "tablespoon,tbsp=473176473/32000000000000 teaspoon,tsp=157725491/32000000000000",
    "area acre=316160658/78125 hectare,ha=10000",
    "information bit=1 byte=8",
    "dollar $,dollar,usd,USD,buck=1 cent,¢=1/100",
    "euro €,euro=1",
    "sterling £=1",
    "yen ¥,yen=1",
    "rupee ₹,rupee,rs=1",
    "angle °,degree,deg=1 arcmin,arcminute=1/60 arcsec,arcsecond=1/3600",
    "radian radian,rad=1",
    "celsius celsius=1",
    "fahrenheit fahrenheit=1",
    "energy J,joule=1000 kJ=1000000 cal,calorie=4184 Nm=1000 kWh=3600000000 erg=1/10000 "
    "eV,electronvolt=1602176634/10000000000000000000000000",
    "force N,newton=1000",
    "power W,watt=1000 kW=1000000",
    "current A,amp,ampere=1",
    "tension V,volt=1000",
    "frequency Hz,hertz=1",
    "pressure Pa,pascal=1000 bar=100000000 atm=101325000 psi=6894757",
    "rotation rpm=1",
    "sound dB,decibel=1",
    "temperature K,kelvin=1",
    "charge C,coulomb=1",
    "field T,tesla=1000",
    "resistance Ω,ohm=1000",
    "capacitance F,farad=1/1000",
    "amount mol,mole=1",
    "concentration M,molar=1000",
    "distance pc,parsec=1",
    "calendar month=1 year,yr,yrs=12 decade=120 century=1200",
    "unit unit=1",
    "yuan yuan,rmb=1",
)

_COMPOSED = {
    "volume": {"length": 3},
    "area": {"length": 2},
    "force": {"mass": 1, "length": 1, "time": -2},
    "energy": {"mass": 1, "length": 2, "time": -2},
    "power": {"mass": 1, "length": 2, "time": -3},
    "frequency": {"time": -1},
    "pressure": {"mass": 1, "length": -1, "time": -2},
    "charge": {"current": 1, "time": 1},
    "tension": {"mass": 1, "length": 2, "time": -3, "current": -1},
    "resistance": {"mass": 1, "length": 2, "time": -3, "current": -2},
    "capacitance": {"mass": -1, "length": -2, "time": 4, "current": 2},
    "field": {"mass": 1, "time": -2, "current": -1},
    "concentration": {"amount": 1, "length": -3},
}

_SCALES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1000,
    "lakh": 10**5,
    "crore": 10**7,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}

_PHRASES = """
    or and any not no none is are was be if but except when where about at least most less than some
    other another number numbers answer maybe perhaps possibly either both between to from over under half
    halves third quarter fourth fifth sixth seventh eighth ninth tenth hundredth thousandth millionth billionth
    fold twice thrice double triple plus minus negative divided multiplied squared cubed reversed inverted
    one two three four five six seven eight nine ten eleven twelve twenty thirty binary octal hexadecimal
    wrong right true false greater fewer up down below above short approximately roughly root factorial
    because so then instead actually also therefore hence thus since while which that this
"""
NOT_UNITS = frozenset(_PHRASES.split())
"""Words, in the singular too, that make a phrase of what follows a number, and no unit."""
_IRREGULAR = {
    **{
        "people": "person",
        "children": "child",
        "men": "man",
        "women": "woman",
        "teeth": "tooth",
        "geese": "goose",
    },
    **{"mice": "mouse", "dice": "die", "knives": "knife", "lives": "life", "wives": "wife", "feet": "foot"},
    **{
        "oxen": "ox",
        "buses": "bus",
        "gases": "gas",
        "shoes": "shoe",
        "canoes": "canoe",
        "toes": "toe",
        "movies": "movie",
    },
    **{
        "cookies": "cookie",
        "brownies": "brownie",
        "calories": "calorie",
        "pies": "pie",
        "ties": "tie",
        "aches": "ache",
    },
    **{
        "vertices": "vertex",
        "axes": "axis",
        "bases": "base",
        "vases": "vase",
        "headaches": "headache",
        "axis": "axis",
    },
    **{
        "zombies": "zombie",
        "hoodies": "hoodie",
        "smoothies": "smoothie",
        "selfies": "selfie",
        "series": "series",
    },
    **{
        "roses": "rose",
        "potatoes": "potato",
        "heroes": "hero",
        "buss": "bus",
        "bus": "bus",
        "snowmen": "snowman",
    },
    **{"firemen": "fireman", "policemen": "policeman", "grandchildren": "grandchild", "caches": "cache"},
}
_IN_F = frozenset(
    {"leaf", "loaf", "shelf", "wolf", "calf", "half", "thief", "scarf", "hoof", "self", "bookshelf", "elf"}
)
_PREFIXES = {
    **{"nano": Fraction(1, 10**9), "micro": Fraction(1, 10**6), "milli": Fraction(1, 1000)},
    **{"kilo": Fraction(1000), "mega": Fraction(10**6), "giga": Fraction(10**9)},
    **{"n": Fraction(1, 10**9), "μ": Fraction(1, 10**6), "m": Fraction(1, 1000)},
    **{"k": Fraction(1000), "M": Fraction(10**6), "G": Fraction(10**9)},
}
_PREFIXABLE = frozenset(
    {"m", "g", "s", "J", "N", "W", "V", "A", "Hz", "Pa", "eV", "mol", "T", "Ω", "F", "pc", "bar"}
)
_SHORT = {"mph": "mile/hour", "kph": "km/hour", "kmh": "km/hour", "mpg": "mile/gallon"}
_TEMPERATURES = frozenset({"celsius", "fahrenheit"})
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3, "squared": 2, "cubed": 3}
_WHOLE = frozenset({"each", "total"})
FILLERS = frozenset({"*", ".", "of", "the", "a", "an", "in", "per"}) | _WHOLE
"""Words beside a unit; only those of the whole stand alone."""
_WORD = re.compile(r"[A-Za-zμΩ]+|[$€£¥₹¢°]|\^\{?(-?\d)\}?|[/.]|\S")
_MAX_WORDS = 8


def parse_unit(text: str) -> tuple[int, Unit] | None:
    """Read the words after a number as a scale (`million`, else 1) and a unit; None if they are no unit."""
    text = re.sub(r"[A-Za-z]+", lambda m: _SHORT.get(m[0].lower(), m[0]), text)
    words = list(_WORD.finditer(text))
    if not words or len(words) > 2 * _MAX_WORDS:
        return None
    scale = 1
    if (first := singular(words[0][0].lower())) in _SCALES:
        scale = _SCALES[first]
        words.pop(0)
        if not words:
            return scale, NONE
    return (scale, unit) if (unit := _read([word[0] for word in words])) is not None else None


def may_be_counted(word: str) -> str | None:
    """The singular of a word that makes a phrase or a scale of a number, but names things where a question counts them.

    Quarters may be coins, and twos digits. None for any other word.
    """
    single = singular(word)
    phrase = single in NOT_UNITS and word != single
    return single if phrase or single in _SCALES else None


def _read(words: list[str]) -> Unit | None:
    factor, powers, things = Fraction(1), dict[str, int](), set[str]()
    said: list[str] = []
    raised, sign = 1, 1
    last: tuple[Fraction, str, int] | None = None
    for word in words:
        lower = word.lower()
        if word in ("/", "per") or lower == "per":
            sign = -1
        elif word.startswith("^") or (lower in ("squared", "cubed") and last):
            if last is None and things:
                continue
            power = _POWERS.get(lower) or int(re.sub(r"[^\d-]", "", word) or 0)
            if last is None or not 1 <= abs(power) <= 6:
                return None
            scale, dimension, direction = last
            factor *= scale ** (direction * (power - 1))
            _multiply(powers, dimension, direction * (power - 1))
        elif lower in ("square", "sq", "cubic", "cu"):
            raised = _POWERS[lower]
        elif (known := _known(word)) and not (lower == "in" and last):
            scale, dimension = known
            if dimension in _TEMPERATURES:
                powers.pop("angle", None)
            factor *= scale ** (sign * raised)
            _multiply(powers, dimension, sign * raised)
            last, raised = (scale, dimension, sign), 1
        elif lower in FILLERS:
            continue
        elif not word.isalpha() or len(word) < 3 or not NOT_UNITS.isdisjoint((lower, singular(lower))):
            return None
        else:
            things.add(singular(lower))
            said.append(lower)
    if not (things or last or _WHOLE.intersection(words)):
        return None
    dimension = tuple(sorted((name, power) for name, power in powers.items() if power))
    return Unit(factor=factor, dimension=dimension, things=frozenset(things), said=tuple(said))


def _multiply(powers: dict[str, int], dimension: str, exponent: int) -> None:
    """Multiply by a power of a dimension, a composed one in terms of the others."""
    for name, power in _COMPOSED.get(dimension, {dimension: 1}).items():
        powers[name] = powers.get(name, 0) + power * exponent


def _known(word: str) -> tuple[Fraction, str] | None:
    """A unit as it is written, first of all: `Mg` is no `mg`."""
    if found := _UNITS.get(word) or _prefixed(word):
        return found
    for name in (word.lower(), singular(word.lower()), word.lower().removesuffix("s")):
        if name in _UNITS and len(name) > 1:
            return _UNITS[name]
    return _prefixed(singular(word.lower())) if len(word) > 6 else None


def _prefixed(word: str) -> tuple[Fraction, str] | None:
    for prefix, factor in _PREFIXES.items():
        name = word.removeprefix(prefix)
        if name != word and (name in _PREFIXABLE or (len(prefix) > 1 and len(name) > 3)) and name in _UNITS:
            scale, dimension = _UNITS[name]
            return scale * factor, dimension
    return None


def singular(word: str) -> str:
    """The singular of an English noun in lower case, as far as its ending tells."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("ves") and word[:-3] + "f" in _IN_F:
        return word[:-3] + "f"
    if word.endswith(("xes", "ches", "shes", "sses", "zzes", "toes", "goes")) and len(word) > 4:
        return word[:-2]
    return (
        word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word
    )
