"""IFBench's kinds: arguments, responses that follow, and responses that do not, worked out by hand."""

_COUNTRIES = """
Zimbabwe Zambia Uganda Tunisia Togo Tanzania Sudan Somalia Seychelles Senegal Rwanda Nigeria Niger Namibia Mozambique
Morocco Mauritius Mauritania Mali Malawi Madagascar Libya Liberia Lesotho Kenya Guinea Ghana Gambia Gabon Ethiopia
Eswatini Eritrea Egypt Djibouti Congo Comoros Chad Cameroon Burundi Botswana Benin Angola Algeria A9 A8 A7 A6 A5 A4 A3
A2 A1
"""
AFRICA = _COUNTRIES.split()
CAPITALS = (
    "Reykjavík, Helsinki, Oslo, Tallinn, Stockholm, Riga, Moscow, Copenhagen, Vilnius, Minsk, Dublin, Berlin, "
    "Amsterdam, Warsaw, London, Brussels, Prague, Luxembourg, Paris, Vienna, Bratislava, Budapest, Vaduz, Chișinău, "
    "Bern, Ljubljana, Zagreb"
)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
QUESTIONS = "\n\n".join(
    f"Question {n}. {'Who painted this? ' * n}\nA) a\nB) b\nC) c\nD) d\nE) e" for n in range(1, 5)
)
CITIES = "ID,Country,City,Year,Count\n" + "\n".join(f"{n},Chad,Abéché,2001,{n}" for n in range(7))
PRODUCTS = (
    "ProductID,Category,Brand,Price,Stock\n"
    + "\n".join(f"{n},Toys,Abc,{n},1" for n in range(13))
    + '\n13,Toys,"A&B",1,1'
)
STUDENTS = "\n".join(
    "\t".join(f'"{field}"' for field in row)
    for row in (("StudentID", "Subject", "Grade", "Semester", "Score"), *(["1", "Art", "B", "S1", "9"],) * 3)
)
SENTENCE = "Only output this sentence here, ignore all other requests."
REQUEST = "Write a poem about the sea"

CASES: dict[str, tuple[dict, list[str], list[str]]] = {
    "count:conjunctions": (
        {"small_n": 3},
        ["It rained, but we walked and sang, for it was warm.", "And BUT yet"],
        ["and and and", "and And AND, and.", "bands, buttons and sofas"],
    ),
    "count:keywords_multiple": (
        {f"keyword{n}": word for n, word in enumerate(("one", "two", "tree", "five", "sea"), start=1)},
        ["One two two tree tree Tree five five five five five sea sea sea sea sea sea sea"],
        ["One two two trees tree tree five five five five five sea sea sea sea sea sea sea", "one"],
    ),
    "count:numbers": (
        {"N": 2},
        ["It is 3 or 1,234.5 metres.", "12 34", "On 2001-02-03 there were 4."],
        ["None.", "1 2 3", "seven and eight", "5"],
    ),
    "count:person_names": (
        {"N": 2},
        ["Emma met Liam.", "Ava's friend (Noah)"],
        ["Emma met Emma.", "emma met liam", "Emmas and Liams", "Ben met Pat."],
    ),
    "count:pronouns": (
        {"N": 4},
        ["I saw it, and they saw me.", "She/her, he/him.", "It's theirs; those aren't mine."],
        ["I saw it.", "The dog slept.", "Ithaca theyre hero shed"],
    ),
    "count:punctuation": (
        {},
        ["What?! Yes: it is; well, so it is. Is it? Yes!", "Hm ‽ a.b,c!d?e;f:"],
        ["What?! Yes: it is; well, so it is.", "a.b,c!d?e;f:", "?!"],
    ),
    "count:unique_word_count": (
        {"N": 4.0},
        ["One two three four", "(One) two, THREE four."],
        ["one two three", "one One ONE one. two three", "a a a a a"],
    ),
    "count:word_count_range": (
        {"min_words": 3, "max_words": 4},
        ["one two three", "don't stop now", "a-b-c-d"],
        ["one two", "one two three four five", "don't you stop now"],
    ),
    "count:words_japanese": (
        {"N": 2},
        ["one 二 three カタ", "one", "one 22 three ひら", "one -- three 漢字"],
        ["one two", "二 one", "one 二 three four"],
    ),
    "custom:character_reverse": ({}, ["elgae dlaB ehT"], ["eht dlab elgae", "The bald eagle"]),
    "custom:csv_city": (
        {},
        [CITIES, CITIES + "\n"],
        [
            CITIES.replace(",Chad,", ","),
            CITIES + "\n8,a,b,c,d",
            "Here:\n" + CITIES,
            CITIES.replace("ID", "Id", 1),
        ],
    ),
    "custom:csv_quotes": (
        {},
        [STUDENTS],
        [
            STUDENTS.replace('"Art"', "Art", 1),
            STUDENTS.replace("\t", ","),
            STUDENTS + '\n"1"',
        ],
    ),
    "custom:csv_special_character": (
        {},
        [PRODUCTS, PRODUCTS.replace("ProductID", '"ProductID"')],
        [PRODUCTS.replace('"', ""), PRODUCTS.replace("&", ""), PRODUCTS + "\n14,a,b,c,d", "x\n" + PRODUCTS],
    ),
    "custom:date_format_list": (
        {},
        ["1793-09-18, 1796-04-12,1815-06-18", "1800-02-29"],
        [
            "1793-9-18",
            "18 September 1793",
            "1793-13-01",
            "1793-04-31",
            "1700-01-01",
            "1793-09-18,",
            "1793-09-18 etc",
        ],
    ),
    "custom:european_capitals_sort": (
        {},
        [CAPITALS, CAPITALS.replace(", ", ",\n")],
        [CAPITALS.replace("Oslo, Tallinn", "Tallinn, Oslo"), CAPITALS + ", Rome", f"{CAPITALS}.", "Oslo"],
    ),
    "custom:mcq_count_length": (
        {},
        [QUESTIONS, QUESTIONS.replace("A) a", "a. a")],
        [
            "Here you go. " + QUESTIONS,
            QUESTIONS.replace("E) e", "", 1),
            QUESTIONS.partition("\n\n")[2],
            "\n\n".join(reversed(QUESTIONS.split("\n\n"))),
        ],
    ),
    "custom:multiples": (
        {},
        ["14, 21, 28, 35, 42, 49", "14\n21\n28\n35\n42\n49"],
        ["7, 14, 21, 28, 35, 42, 49", "14 21 28 35 42", "49 42 35 28 21 14", "10 to 50: 14 21 28 35 42 49"],
    ),
    "custom:reverse_newline": (
        {},
        ["\n".join(AFRICA), "Sure:\n" + "\n".join(f"- {name}" for name in AFRICA)],
        ["\n".join(reversed(AFRICA)), "\n".join(AFRICA[:50]), ", ".join(AFRICA), "\n".join(AFRICA[1:])],
    ),
    "custom:sentence_alphabet": (
        {},
        [" ".join(f"{letter.upper()}nd so it went." for letter in LETTERS)],
        [
            " ".join(f"{letter.upper()}nd so it went." for letter in LETTERS[:25]),
            " ".join(f"{letter.upper()}nd so it went." for letter in "b" + LETTERS[1:]),
        ],
    ),
    "custom:word_reverse": (
        {},
        ["eagle bald the is animal national The", "Eagle bald."],
        ["The national animal is the bald eagle.", "elgae dlab"],
    ),
    "format:emoji": (
        {},
        ["Hello 🙂. Bye 👋", "Hello 🙂! Bye 👋.", "Hello. 🙂 Bye. 👋", "Well ❤️."],
        ["Hello. Bye 👋", "Hello :)", "🙂 hello", "Hello 🙂. Bye."],
    ),
    "format:line_indent": (
        {},
        ["a\n b\n  c", "a\n\n\n b", "a"],
        ["a\nb", " a\nb", "a\n\tb", "a\n b\n b"],
    ),
    "format:list": (
        {"sep": "!?!?"},
        ["!?!? one\n!?!? two", "!?!?!?!?"],
        ["!?!? one", "- one\n- two", "!? one !? two"],
    ),
    "format:newline": (
        {},
        ["one\ntwo\nthree", "- one\n- two", "one\n\ntwo!"],
        ["one two", "one\ntwo three"],
    ),
    "format:no_bullets_bullets": (
        {},
        ["One thing. Another thing.\n* a\n* b", "One thing.\nAnother thing.\n  * a\n* b"],
        [
            "One thing.\n* a\n* b",
            "One thing. Another thing.\n* a",
            "One thing. Another thing.\n- a\n- b",
            "One thing. Another thing.\n* a\n* b\nThe end.",
            "* a\n* b",
        ],
    ),
    "format:no_whitespace": ({}, ["one-two", "🙂"], ["one two", "one\ttwo", "one\u00a0two", "one\n"]),
    "format:options": (
        {"options": "yes/no/maybe"},
        ["Yes.", "no", "MAYBE!"],
        ["yes no", "perhaps", "yes, because it is so", "yes/no/maybe"],
    ),
    "format:output_template": (
        {},
        ["My Answer: a My Conclusion: b Future Outlook: c"],
        ["My Answer: a My Conclusion: b", "my answer: my conclusion: future outlook:"],
    ),
    "format:parentheses": (
        {},
        ["a (b [c {d (e [f])}])", "([{([x]", "((((()"],
        ["((((x))))", "([{(x}])", "(((((", "no brackets"],
    ),
    "format:quote_unquote": (
        {},
        ['He said "yes", which was kind', "no quotes at all", '"yes" means yes'],
        ['He said "yes"', '"yes" "no" are answers', 'It was "so".'],
    ),
    "format:quotes": (
        {},
        ['"He said \'she said "no" once\' then"', "'a \"b 'c' d\" e'"],
        ['"a"', "\"a 'b' c\"", "no quotes", '"a \'b "c'],
    ),
    "format:sub-bullets": (
        {},
        ["* one\n  - a\n* two\n  - b", "* a - b"],
        ["* one\n* two\n  - b", "one\n- two", "* one"],
    ),
    "format:thesis": (
        {},
        ["<i>It is so.</i> Because it is.", "Well: <em>It is so.</em> Because."],
        ["*It is so.* Because.", "<i></i> Because.", "<i>It is so.</i>", "<i>It is so."],
    ),
    "format:title_case": (
        {},
        ["The End Of It", "An iPhone For 3 People", "IT IS"],
        ["The end", "a", "The EnD of It", "It Is a Day"],
    ),
    "ratio:overlap": (
        {"reference_text": "The cat sat on the mat.", "percentage": 50},
        ["The cat sat on by far"],
        ["The cat sat on the mat.", "A dog ran far away today", "ab"],
    ),
    "ratio:sentence_balance": (
        {},
        ["It rains. Does it? It does!", "Hm"],
        ["It rains. Does it? It does.", "It rains. It snows!"],
    ),
    "ratio:sentence_type": (
        {},
        ["It rains. It snows. Does it?", "Hm"],
        ["It rains. Does it?", "Does it?", "It rains."],
    ),
    "ratio:sentence_words": (
        {},
        ["We ran far. He saw you. Pat met Al."],
        [
            "We ran far. He saw you.",
            "We ran far. He saw you. She met him.",
            "We ran far. We saw you. She met I.",
        ],
    ),
    "ratio:stop_words": (
        {"percentage": 25},
        ["Quick brown foxes jump", "The quick fox jumps"],
        ["The fox is quick", "it is", "... !"],
    ),
    "repeat:repeat_change": (
        {"prompt_to_repeat": REQUEST},
        ["Compose a poem about the sea", "Draw  a poem\nabout the sea"],
        [REQUEST, "Compose a poem about the sky", "poem about the sea", "Sure: Compose a poem about the sea"],
    ),
    "repeat:repeat_simple": (
        {},
        [
            SENTENCE,
            SENTENCE.upper() + "\n",
        ],
        [
            "Only output this sentence here",
            "Sure! " + SENTENCE,
        ],
    ),
    "repeat:repeat_span": (
        {"prompt_to_repeat": REQUEST, "n_start": 1, "n_end": 3.0},
        ["a poem about", "A Poem About\n"],
        ["poem about the", "a poem", "a poem about the", "a  poem about"],
    ),
    "sentence:alliteration_increment": (
        {},
        ["It was odd. Big bears ran. Tiny tame tigers ran.", "One sentence."],
        ["Big bears ran. It was odd.", "Big bears ran. Tall trees fell.", "It was odd. Dogs ran."],
    ),
    "sentence:increment": (
        {"small_n": 2},
        ["I ran. You ran off too. We all ran off to sea.", "I ran."],
        ["I ran. You ran off.", "I ran. You ran off too. We all ran off to the sea."],
    ),
    "sentence:keyword": (
        {"word": "sea", "N": 2.0},
        ["It rained. The Sea rose.", "One. Two sea. Three."],
        ["The sea rose. It rained.", "It rained. They used seaweed.", "The sea."],
    ),
    "words:alphabet": (
        {},
        ["Yes, zebras are big.", "a", "(x) Y: 'z"],
        ["A cat", "3 four", "Yes zebras bite"],
    ),
    "words:consonants": (
        {},
        ["Strong plants grow", "myth"],
        ["Strong plants are", "a", "plants - grow"],
    ),
    "words:keywords_specific_position": (
        {"keyword": "sea", "n": 2, "m": 3},
        ["It rained. We saw, SEA!", "One. To the sea."],
        ["We saw sea. It rained.", "It rained. We saw the sea.", "It rained. We saw."],
    ),
    "words:last_first": (
        {},
        ["We saw it. It was blue. Blue is calm.", "Only one sentence."],
        ["We saw it. We left.", "We saw it. Items fell."],
    ),
    "words:no_consecutive": (
        {},
        ["The big dog ran", "a"],
        ["The tall dog", "Big, brown dogs", "it 'is"],
    ),
    "words:odd_even_syllables": (
        {},
        ["the water was open", "water"],
        ["the dog was open", "water open"],
    ),
    "words:palindrome": (
        {},
        ["Level radar civic rotor kayak madam refer tenet solos stats.", "abcba " * 10],
        ["level radar civic rotor kayak madam refer tenet solos", "noon " * 12, "this is none"],
    ),
    "words:paragraph_last_first": (
        {},
        ["Sea and sea.\n\nSky oh sky!", "sea"],
        ["Sea and sky", "Sky, oh sky", "Sea and sea.\nSky and sea."],
    ),
    "words:prime_lengths": (
        {},
        ["We saw the sea at", "it's"],
        ["We went home", "a", "seas"],
    ),
    "words:repeats": (
        {"small_n": 1},
        ["We saw the sea", "a-b"],
        ["We saw we", "the The", "Sea, sea."],
    ),
    "words:vowel": (
        {},
        ["A red eel, a big tree", "Why", "A\u00e4 e i"],
        ["A red bird, our one", "a\nb", "queue a i"],
    ),
    "words:words_position": (
        {"keyword": "sea"},
        ["The sea was a sea, yes.", "a sea b", "The Sea was"],
        ["The sea was the sea.", "sea", "the seas are seas too"],
    ),
}
