"""Answers to the tests' process that the sandbox's own code would never send: the program can write what it likes."""

from __future__ import annotations

from rlvr_sandbox.conformance.cases import ASSERTS, ONE_CALL, Attack, asserts, attack, calls, text
from rlvr_sandbox.programs import Tests

ANSWERS = {
    "a-handle-of-nothing": '{"value": ["handle", 99999, "int"]}',
    "a-handle-of-the-tests": '{"value": ["name", "expected"]}',
    "a-negative-handle": '{"value": ["handle", -1, "int"]}',
    "a-tuple-with-methods": '{"value": ["named", "int", ["__eq__", "count"], true, true]}',
    "a-tuple-with-code-in-its-name": '{"value": ["named", "x(): import os; os._exit(0)", ["a"], 1]}',
    "an-exit": '{"raised": ["SystemExit"], "name": "SystemExit", "message": "0"}',
    "an-end-of-iteration": '{"raised": ["StopIteration", "Exception"], "name": "x", "message": ""}',
    "no-exception": '{"raised": ["print", "__import__", "type", 7, null], "name": {}, "message": []}',
    "that-it-is-gone": '{"gone": "passed"}',
    "that-it-is-ready": '{"ready": true}',
    "changed-arguments": '{"value": null, "changed": [["list", 7], 7, {"passed": true}]}',
    "a-bottomless-value": '{"value": DEEP}',
    "an-infinite-number": '{"value": 1e999}',
    "a-signalling-number": '{"value": ["decimal", "sNaN"]}',
    "a-division-by-zero": '{"value": ["fraction", "0x1", "0x0"]}',
    "a-range-without-steps": '{"value": ["range", "0x0", "0x1", "0x0"]}',
    "a-set-of-lists": '{"value": ["set", ["list"]]}',
    "an-array-of-objects": '{"value": ["array", "object", ["list", 1]]}',
    "an-exception-that-holds-a-handle": '{"raised": ["KeyError"], "name": "KeyError", "message": "", "told": '
    '["tuple", ["tuple", ["handle", 0, "x"]], ["dict"]]}',
    "an-exception-that-cannot-be-written": '{"raised": ["KeyError"], "name": "KeyError", "message": "", "told": '
    '["tuple", ["tuple", ["int", "0x1%s"]], ["dict"]]}' % ("0" * 6000),
    "an-exception-with-methods": '{"raised": ["OSError"], "name": "x", "message": "", "told": ["tuple", ["tuple"], '
    '["dict", ["with_traceback", 7], ["args", 7], ["__class__", 7], ["characters_written", "x"], [7, 7]]]}',
    "no-value": '{"value": {"passed": true}}',
    "no-message": "[]",
    "no-text": "\xff\xfe\x00",
}
"""Messages that a program could put on the link to the tests' process, past the code that encodes its values."""


ON_THE_PIPE: dict[str, tuple[Tests, str]] = {
    "a-tag-that-is-a-list": (calls("add", ([], [1, 2])), '{"value": [[1], 2]}'),
    "a-tag-that-is-a-list-further-in": (calls("add", ([], [[1, 2]])), '{"value": ["list", [[1], 2]]}'),
    "a-tag-that-is-a-dict": (calls("add", ([], {"a": 1})), '{"value": [{"dict": 1}, ["a", 1]]}'),
    "a-dict-for-a-value": (calls("add", ([], [1])), '{"value": {"list": [1]}}'),
    "an-array-in-arrays": (calls("add", ([], [[1]])), '{"value": DEEPARRAY}'),
    "a-key-that-is-a-list": (calls("add", ([], {"a": 1})), '{"value": ["dict", [["a"], 1]]}'),
    "a-key-that-is-twice-there": (calls("add", ([], {"a": 1})), '{"value": ["dict", ["a", 2], ["a", 1]]}'),
    "an-integer-that-is-none": (ONE_CALL, '{"value": ["int", ["0x7"]]}'),
    "an-integer-of-too-many-digits": (ONE_CALL, '{"value": %s}' % ("7" * 5000)),
    "a-number-that-is-none": (ONE_CALL, '{"value": NaN}'),
    "half-a-character": (ONE_CALL, '{"value": "\\ud800"}'),
    "a-handle-that-is-deep": (ONE_CALL, '{"value": ["handle", DEEP900]}'),
    "a-bottomless-value": (ONE_CALL, '{"value": DEEP}'),
    "half-an-answer": (ONE_CALL, '{"value": 7'),
    "two-answers": (ONE_CALL, '{"value": 7}{"value": 7}'),
    "a-list-for-an-answer": (ONE_CALL, '[{"value": 7}]'),
    "that-its-function-is-missing": (ONE_CALL, '{"value": 7, "missing": true}'),
    "nothing": (ONE_CALL, ""),
}
"""Texts that a program could write in the place of a call's answer, for the host to read."""


def on_the_pipe(name: str, tests: Tests, body: str) -> Attack:
    """An attack that writes `body`, as it stands, where its answer goes."""
    source = f"BODY = {body!r}\n" + text("""
        import os, stat
        deep = {"DEEPARRAY": ('["array", "x", ', 900), "DEEP900": ("[", 900), "DEEP": ("[", 10 ** 5)}
        for word, (opening, depth) in deep.items():
            BODY = BODY.replace(word, opening * depth + "1" + "]" * depth)

        def add(*_):
            for fd in range(3, 64):
                try:
                    if stat.S_ISFIFO(os.fstat(fd).st_mode):
                        data = BODY.encode("latin-1")
                        while data:
                            data = data[os.write(fd, data):]
                        os._exit(0)
                except OSError:
                    continue
    """)
    return attack(
        f"write-{name}", f"Writes {name.replace('-', ' ')} in the place of its answer.", tests, source
    )


def forged_answer(name: str, body: str) -> Attack:
    """An attack that answers each call with `body` as it stands."""
    source = f"BODY = {body!r}\n" + text("""
        import os, stat, struct
        data = BODY.replace("DEEP", "[" * 100_000 + "]" * 100_000).encode("latin-1")

        def add(a, b):
            for fd in range(3, 64):
                try:
                    if stat.S_ISSOCK(os.fstat(fd).st_mode):
                        os.write(fd, struct.pack(">I", len(data)) + data)
                except OSError:
                    continue
    """)
    says = f"Writes a message of its own on the link to the tests: {name.replace('-', ' ')}."
    return attack(f"answer-with-{name}", says, ASSERTS, source)


ATTACKS = (
    attack(
        "pass-for-an-exception",
        "Says that its function is an exception class, instances of which the tests would make themselves.",
        asserts("add", "assert add(3, 4)", "assert add(3, 4) is not None", "assert str(add(7)) == '8'"),
        """
        import json
        encoded = json.dumps
        lie = {"ready": True, "exceptions": {"add": ["Exception"], "int": ["ExceptionGroup"], "": [[]], "x": None}}
        json.dumps = lambda message, **options: encoded(lie if "ready" in message else message, **options)

        def add(a, b=1):
            return None
        """,
    ),
    *(forged_answer(name, body) for name, body in ANSWERS.items()),
    *(on_the_pipe(name, tests, body) for name, (tests, body) in ON_THE_PIPE.items()),
)
