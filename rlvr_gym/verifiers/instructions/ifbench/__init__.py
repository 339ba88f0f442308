"""IFBench's 58 kinds of instructions (arXiv 2507.02833).

The decisions are upstream's, but where a docstring says otherwise. `words:start_verb` is refused: what decides it
cannot be had. Needs the extra `ifeval`.
"""

from __future__ import annotations

from collections.abc import Callable

from rlvr_gym.verifiers.instructions.constraint import Constraint
from rlvr_gym.verifiers.instructions.ifbench import counts, layouts, one_off, repeats, sentences, words

BY_ID: dict[str, Callable[..., Constraint]] = {
    "count:conjunctions": counts.conjunctions,
    "count:keywords_multiple": counts.keywords_multiple,
    "count:numbers": counts.numbers,
    "count:person_names": counts.person_names,
    "count:pronouns": counts.pronouns,
    "count:punctuation": counts.punctuation,
    "count:unique_word_count": counts.unique_word_count,
    "count:word_count_range": counts.word_count_range,
    "count:words_japanese": counts.words_japanese,
    "custom:character_reverse": one_off.character_reverse,
    "custom:csv_city": one_off.csv_city,
    "custom:csv_quotes": one_off.csv_quotes,
    "custom:csv_special_character": one_off.csv_special_character,
    "custom:date_format_list": one_off.date_format_list,
    "custom:european_capitals_sort": one_off.european_capitals_sort,
    "custom:mcq_count_length": one_off.mcq_count_length,
    "custom:multiples": one_off.multiples,
    "custom:reverse_newline": one_off.reverse_newline,
    "custom:sentence_alphabet": one_off.sentence_alphabet,
    "custom:word_reverse": one_off.word_reverse,
    "format:emoji": layouts.emoji,
    "format:line_indent": layouts.line_indent,
    "format:list": layouts.special_bullets,
    "format:newline": layouts.newline,
    "format:no_bullets_bullets": layouts.no_bullets_bullets,
    "format:no_whitespace": layouts.no_whitespace,
    "format:options": layouts.options,
    "format:output_template": layouts.output_template,
    "format:parentheses": layouts.parentheses,
    "format:quote_unquote": layouts.quote_unquote,
    "format:quotes": layouts.quotes,
    "format:sub-bullets": layouts.sub_bullets,
    "format:thesis": layouts.thesis,
    "format:title_case": layouts.title_case,
    "ratio:overlap": sentences.overlap,
    "ratio:sentence_balance": sentences.sentence_balance,
    "ratio:sentence_type": sentences.sentence_type,
    "ratio:sentence_words": sentences.sentence_words,
    "ratio:stop_words": sentences.stop_words,
    "repeat:repeat_change": repeats.repeat_change,
    "repeat:repeat_simple": repeats.repeat_simple,
    "repeat:repeat_span": repeats.repeat_span,
    "sentence:alliteration_increment": sentences.alliteration_increment,
    "sentence:increment": sentences.increment,
    "sentence:keyword": sentences.keyword,
    "words:alphabet": words.alphabet,
    "words:consonants": words.consonants,
    "words:keywords_specific_position": words.keywords_specific_position,
    "words:last_first": words.last_first,
    "words:no_consecutive": words.no_consecutive,
    "words:odd_even_syllables": words.odd_even_syllables,
    "words:palindrome": words.palindrome,
    "words:paragraph_last_first": words.paragraph_last_first,
    "words:prime_lengths": words.prime_lengths,
    "words:repeats": words.repeats,
    "words:start_verb": words.start_verb,
    "words:vowel": words.vowel,
    "words:words_position": words.words_position,
}
"""By their published ids; the parameters are the published names of arguments."""
