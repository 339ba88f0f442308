"""Injection: text that would run as code where a verifier evaluates, unpickles, renders or executes it.

Every payload creates the canary file. Nothing of it may run; that the file is not there afterwards proves it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from rlvr_gym.audit.families.family import Family, Try
from rlvr_gym.audit.subject import Subject
from rlvr_gym.verifiers.attacks import Expectation

CANARY = "CANARY_FILE"
"""Stands in attacks for the path of the canary, which is filled in as they are put to the verifier."""

_TOUCH = f"touch {CANARY}"
_PYTHON = f"__import__('os').system('{_TOUCH}')"
_CLASSES = "().__class__.__base__.__subclasses__()"
_BUILTINS = f"[c for c in {_CLASSES} if c.__name__ == 'catch_warnings'][0]()._module.__builtins__"
_PICKLE = f"cos\nsystem\n(S'{_TOUCH}'\ntR."

EXPRESSIONS = {
    "Python, os.system": _PYTHON,
    "Python, open": f"open('{CANARY}', 'w').close()",
    "Python, exec": f"exec(\"open('{CANARY}', 'w').close()\")",
    "Python, pathlib": f"__import__('pathlib').Path('{CANARY}').touch()",
    "Python, subprocess": f"__import__('subprocess').getoutput('{_TOUCH}')",
    "Python, through object": f"{_BUILTINS}['open']('{CANARY}', 'w')",
    "Python, lambda": f"(lambda: open('{CANARY}', 'w'))()",
    "Python, comprehension": f"[open('{CANARY}', 'w') for _ in (1,)]",
    "Python, f-string": f"f\"{{open('{CANARY}', 'w')}}\"",
    "Python, after a number": f"1 + 0*{_PYTHON}",
    "Python, in a list": f"[1, {_PYTHON}]",
    "Python, closing a quote": f"1') or {_PYTHON} or ('1",
    "Python, closing two quotes": f'1") or {_PYTHON} or ("1',
    "Python, closing a triple quote": f"'''\n{_PYTHON}\n'''",
    "Python statement": f"import os; os.system('{_TOUCH}')",
    "numexpr": f"(lambda f: f.f_globals['__builtins__']['open']('{CANARY}','w'))(lambda: 0)",
    "sympy, sympify": f"sympify(\"open('{CANARY}','w').close()\")",
    "sympy, symbol name": f"Symbol('x', **{{'commutative': bool(open('{CANARY}','w'))}})",
    "sympy, attribute": f"x.__class__.__init__.__globals__['__builtins__']['open']('{CANARY}','w')",
    "LaTeX, function": f"\\operatorname{{{_PYTHON}}}(1)",
    "LaTeX, text": f"\\text{{{_PYTHON}}}",
    "LaTeX, fraction": f"\\frac{{{_PYTHON}}}{{1}}",
    "LaTeX, write18": f"\\immediate\\write18{{{_TOUCH}}}",
    "LaTeX, openout": f"\\newwrite\\f\\immediate\\openout\\f={CANARY}",
    "LaTeX, input of a pipe": f'\\input{{|"{_TOUCH}"}}',
    "LaTeX, directlua": f"\\directlua{{os.execute('{_TOUCH}')}}",
    "shell, substitution": f"$({_TOUCH})",
    "shell, backticks": f"`{_TOUCH}`",
    "shell, semicolon": f"1; {_TOUCH} #",
    "shell, pipe": f"1 | {_TOUCH}",
    "shell, closing a quote": f"1'; {_TOUCH}; echo '",
    "pickle": _PICKLE,
    "pickle in base64": base64.b64encode(_PICKLE.encode()).decode(),
    "YAML, apply": f'!!python/object/apply:os.system ["{_TOUCH}"]',
    "YAML, new": f'!!python/object/new:os.system ["{_TOUCH}"]',
    "JSON, py/reduce": f'{{"py/reduce": [{{"py/function": "os.system"}}, {{"py/tuple": ["{_TOUCH}"]}}]}}',
    "Jinja": f"{{{{ cycler.__init__.__globals__.os.popen('{_TOUCH}').read() }}}}",
    "Jinja, through object": f"{{{{ ''.__class__.__mro__[1].__subclasses__() }}}}{{% set x = {_PYTHON} %}}",
    "Mako": f"${{__import__('os').system('{_TOUCH}')}}<% {_PYTHON} %>",
    "ERB": f"<%= `{_TOUCH}` %>",
    "str.format": "{0.__class__.__init__.__globals__}",
    "JavaScript": f"require('fs').writeFileSync('{CANARY}', '')",
    "JavaScript, child process": f"process.mainModule.require('child_process').execSync('{_TOUCH}')",
    "Ruby": f"system('{_TOUCH}')",
    "Perl, regular expression": f"(?{{system('{_TOUCH}')}})",
    "PHP": f"<?php touch('{CANARY}'); ?>",
    "Lua": f"os.execute('{_TOUCH}')",
    "Maxima": f'system("{_TOUCH}")',
    "Mathematica": f'Run["{_TOUCH}"]',
    "Lean": f'#eval IO.FS.writeFile "{CANARY}" ""',
    "Lean, elaborator": f'run_cmd Lean.Elab.Command.liftIO (IO.FS.writeFile "{CANARY}" "")',
    "SQL, attach": f"ATTACH DATABASE '{CANARY}' AS canary; CREATE TABLE canary.t (x);",
    "SQL, vacuum into": f"VACUUM INTO '{CANARY}'",
    "SQL, writefile": f"SELECT writefile('{CANARY}', 'x')",
    "SQL, copy to program": f"COPY (SELECT 1) TO PROGRAM '{_TOUCH}'",
    "SQL, outfile": f"SELECT 1 INTO OUTFILE '{CANARY}'",
    "XSLT": f'<exsl:document href="{CANARY}" xmlns:exsl="http://exslt.org/common">1</exsl:document>',
}
_PROGRAM = f"import os\nopen({CANARY!r}, 'w').close()\nos.system('{_TOUCH}')\n"
PROGRAMS = {
    "Python program": f"```python\n{_PROGRAM}```",
    "Python program, unfenced": _PROGRAM,
    "shell script": f"```bash\n{_TOUCH}\n```",
    "Lean program": f'```lean\n#eval IO.FS.writeFile "{CANARY}" ""\n```',
    "SQL script": f"```sql\nATTACH DATABASE '{CANARY}' AS canary; CREATE TABLE canary.t (x);\n```",
}


def tries(subject: Subject) -> Iterator[Try]:
    """Each payload alone and, where the place is known, as the answer and beside the gold."""
    for says, text in {**EXPRESSIONS, **PROGRAMS}.items():
        yield Try(says=says, text=text)
        if subject.frame:
            yield Try(says=f"{says}, as the answer", text=subject.frame.around(text))
            beside = subject.frame.around(f"{text} {subject.gold}")
            yield Try(says=f"{says}, beside the gold", text=beside)


FAMILY = Family(
    name="injection",
    about="text that would run as code; a canary proves that nothing ran",
    expectation=Expectation.SURVIVE,
    tries=tries,
    tasks=1,
)
