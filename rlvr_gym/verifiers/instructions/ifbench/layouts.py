"""IFBench's kinds of the group `format`."""

from __future__ import annotations

import re
import string
from itertools import pairwise

from rlvr_gym.errors import ConfigError
from rlvr_gym.verifiers.instructions import tokens
from rlvr_gym.verifiers.instructions.constraint import Constraint, Fault, needs, text
from rlvr_gym.verifiers.instructions.ifbench.texts import bare, stripped

_CLOSES = {")": "(", "]": "[", "}": "{"}


def parentheses() -> Constraint:
    """Brackets of any kind five deep, of which the innermost closes; a bracket that does not fit begins anew."""

    def find_fault(response: str) -> Fault:
        opened: list[str] = []
        deepest = most = 0
        for sign in response:
            if sign in "([{":
                opened.append(sign)
                deepest, most = max(deepest, len(opened)), max(most, len(opened))
            elif sign in _CLOSES:
                if not opened or opened.pop() != _CLOSES[sign]:
                    opened, deepest = [], 0
                elif deepest >= 5:
                    return None
        return f"{most} levels of brackets, not 5 that close"

    return Constraint(
        id="format:parentheses",
        request="Nest parentheses (and [brackets {and braces}]) at least 5 levels deep.",
        find_fault=find_fault,
    )


def quotes() -> Constraint:
    """Double and single quotes in each other, three deep, of which all three close."""

    def find_fault(response: str) -> Fault:
        opened: list[str] = []
        deepest = 0
        for sign in response:
            if sign not in "\"'":
                continue
            if opened and opened[-1] == sign:
                opened.pop()
                if deepest - len(opened) >= 3:
                    return None
            else:
                opened.append(sign)
                deepest = max(deepest, len(opened))
        return f"{deepest} levels of quotes, not 3 that close"

    return Constraint(
        id="format:quotes",
        request="Include quotes within quotes within quotes, at least 3 levels deep, alternating between double quotes "
        "and single quotes.",
        find_fault=find_fault,
    )


_LETTERED = re.compile(r"\W*[aA]\W*[bB]\W*[cC]\W*")


def options(options: str) -> Constraint:
    """One of the options, which `/`, else `or`, else a comma part.

    Lettered ones (`a), b), c)`) as they stand; others but for case and the signs around them.
    """
    given = text("options", options)
    separator = next((sign for sign in ("/", "or") if sign in given), ",")
    listed = [option.strip() for option in given.split(separator)]
    if len(listed) < 2:
        raise ConfigError(f"options are parted by '/', 'or' or ',', not {given!r}")
    exact = _LETTERED.match(given) is not None
    plain = {stripped(option).lower() for option in listed}

    def find_fault(response: str) -> Fault:
        fits = response in listed if exact else stripped(response).lower() in plain
        return None if fits else "none of the options and nothing else"

    return Constraint(
        id="format:options",
        request=f"Answer with one of the following options: {given}. Do not give any explanation.",
        find_fault=find_fault,
    )


def newline() -> Constraint:
    """One line that is not empty for each word, once ASCII punctuation is left out."""

    def find_fault(response: str) -> Fault:
        said = bare(response).strip()
        lines, words = sum(line != "" for line in said.split("\n")), len(said.split())
        return None if lines == words else f"{words} words on {lines} lines"

    return Constraint(id="format:newline", request="Write each word on a new line.", find_fault=find_fault)


def emoji() -> Constraint:
    """An emoji at the end of each sentence, or at the beginning of what follows its full stop."""
    tokens.check_installed()
    needs("emoji", "emoji", to="telling emojis")

    def find_fault(response: str) -> Fault:
        from emoji import is_emoji

        said = [bare(sentence).strip() for sentence in tokens.sentences(response)]
        for place, sentence in enumerate(said):
            if not sentence:
                return "a sentence of nothing but signs"
            if is_emoji(sentence[-1]) or is_emoji(sentence[-2:][0]):
                continue
            following = said[place + 1] if place + 1 < len(said) else ""
            if not following or not is_emoji(following[0]):
                return f"no emoji ends sentence {place + 1}"
        return None

    return Constraint(
        id="format:emoji",
        request="Please use an emoji at the end of every sentence.",
        find_fault=find_fault,
    )


def line_indent() -> Constraint:
    """Each line is indented by more blanks than the one before; empty lines never count, also where several follow."""

    def find_fault(response: str) -> Fault:
        lines = [line for line in response.split("\n") if line.strip()]
        indents = [len(line) - len(line.lstrip(" ")) for line in lines]
        grows = all(less < more for less, more in pairwise(indents))
        return None if grows else f"indented by {', '.join(map(str, indents[:20]))}"

    return Constraint(
        id="format:line_indent",
        request="Create stairs by incrementally indenting each new line.",
        find_fault=find_fault,
    )


_BUT_QUOTES = string.digits + string.punctuation.replace('"', "")


def quote_unquote() -> Constraint:
    """No double quote follows right after another, and the response does not end with one; blanks do not count."""

    def find_fault(response: str) -> Fault:
        said = "".join(response.replace("'\"'", "").split())
        if '""' in said:
            return "a quote right after another"
        return "a quote at the end" if said.strip(_BUT_QUOTES).endswith('"') else None

    return Constraint(
        id="format:quote_unquote",
        request="Every quoted phrase must be followed by an unquoted explanation.",
        find_fault=find_fault,
    )


def special_bullets(sep: str) -> Constraint:
    """The separator at least twice, anywhere."""
    sep = text("sep", sep)

    def find_fault(response: str) -> Fault:
        count = response.count(sep)
        return None if count >= 2 else f"{count} of {sep!r}, not at least 2"

    return Constraint(
        id="format:list",
        request=f"Answer with a list of items, instead of bullet points use {sep}.",
        find_fault=find_fault,
    )


_OPENS_ITALICS, _CLOSES_ITALICS = ("<i>", "<em>"), ("</i>", "</em>")


def thesis() -> Constraint:
    """Something between `<i>` and `</i>` (or, without these, `<em>` and `</em>`), and something behind."""

    def find_fault(response: str) -> Fault:
        begin = next((at for tag in _OPENS_ITALICS if (at := response.find(tag)) >= 0), -1)
        if begin < 0:
            return "no italics"
        rest = response[begin:]
        end = next((at for tag in _CLOSES_ITALICS if (at := rest.find(tag)) >= 0), -1)
        if end < 0:
            return "italics that never end"
        if not rest[3:end].strip():
            return "italics with nothing in them"
        return None if rest[end + 4 :].strip() else "nothing behind the italics"

    return Constraint(
        id="format:thesis",
        request="Each section must begin with a thesis statement in italics, use HTML to indicate the italics.",
        find_fault=find_fault,
    )


def sub_bullets() -> Constraint:
    """At least one `*`, and a `-` between each and the next. Unlike upstream, a response without any is refused."""

    def find_fault(response: str) -> Fault:
        _, *bullets = response.split("*")
        if not bullets:
            return "no bullet points"
        return None if all("-" in bullet for bullet in bullets) else "a bullet point without a sub-bullet"

    return Constraint(
        id="format:sub-bullets",
        request="Your response must include bullet points denoted by * and at least one sub-bullet point denoted by - "
        "for each bullet point.",
        find_fault=find_fault,
    )


def no_bullets_bullets() -> Constraint:
    """At least two sentences, then nothing but at least two lines that begin with `*`.

    An empty line ends the sentences as well, and only bullets may follow it.
    """
    tokens.check_installed()

    def find_fault(response: str) -> Fault:
        sentences, bullets, open_ = 0, 0, True
        for line in map(str.strip, response.split("\n")):
            if line.startswith("*"):
                bullets, open_ = bullets + 1, False
                if sentences < 2:
                    return f"{sentences} sentences before the first bullet point, not at least 2"
            elif open_:
                found = len(tokens.sentences(line))
                sentences, open_ = sentences + found, found > 0
            else:
                return "a line among the bullet points that is none"
        return None if bullets >= 2 else f"{bullets} bullet points, not at least 2"

    return Constraint(
        id="format:no_bullets_bullets",
        request="Your answer must contain at least two sentences ending in a period followed by at least two bullet "
        "points denoted by *.",
        find_fault=find_fault,
    )


def title_case() -> Constraint:
    """Every token that begins with a letter begins with a capital; one that mixes cases inside may begin small."""
    tokens.check_installed()

    def find_fault(response: str) -> Fault:
        for word in tokens.word_tokens(response):
            rest = word[1:]
            if word[0].islower() and (not rest or rest.isupper() or rest.islower()):
                return f"{word[:40]!r} begins with a small letter"
        return None

    return Constraint(
        id="format:title_case",
        request="Write the entire response in title case (capitalize the first letter of every major word).",
        find_fault=find_fault,
    )


def output_template() -> Constraint:
    """The three headings of the template, anywhere."""
    headings = ("My Answer:", "My Conclusion:", "Future Outlook:")

    def find_fault(response: str) -> Fault:
        missing = [heading for heading in headings if heading not in response]
        return f"without {', '.join(missing)}" if missing else None

    return Constraint(
        id="format:output_template",
        request="Use this exact template for your response: My Answer: [answer] My Conclusion: [conclusion] Future "
        "Outlook: [outlook]",
        find_fault=find_fault,
    )


def no_whitespace() -> Constraint:
    """No white space anywhere."""

    def find_fault(response: str) -> Fault:
        return "white space" if any(sign.isspace() for sign in response) else None

    return Constraint(
        id="format:no_whitespace",
        request="The output should not contain any whitespace.",
        find_fault=find_fault,
    )
