"""Right programs that read standard input and write standard output, in all the ways people do."""

from __future__ import annotations

from rlvr_sandbox.conformance.cases import STDIO, honest, stdio
from rlvr_sandbox.programs import Comparison

NUMBERS = stdio(("3\n1 2 3\n", "6\n"), ("1\n-5\n", "-5\n"), ("2\n10 20", "30\n"))
LINES = stdio(("one\ntwo\n\nthree\n", "4\n"), ("", "0\n"), ("no end of line", "1\n"))
GREETING = stdio(("Ann\n", "Hello, Ann!\n"), ("Jürgen 😀\n", "Hello, Jürgen 😀!\n"))
NOTHING_IN = stdio(("", "done\n"))

READING = (
    honest(
        "read-with-input",
        "Reads line by line with input().",
        NUMBERS,
        """
        n = int(input())
        print(sum(map(int, input().split())))
        """,
    ),
    honest(
        "read-until-the-end-of-file-error",
        "Calls input() until it raises EOFError.",
        LINES,
        """
        count = 0
        while True:
            try:
                input()
            except EOFError:
                break
            count += 1
        print(count)
        """,
    ),
    honest(
        "read-all-at-once",
        "Reads sys.stdin.",
        NUMBERS,
        "import sys\nprint(sum(map(int, sys.stdin.read().split()[1:])))\n",
    ),
    honest(
        "read-lines-from-stdin",
        "Iterates over sys.stdin.",
        LINES,
        "import sys\nprint(sum(1 for line in sys.stdin))\n",
    ),
    honest(
        "read-with-readline",
        "Binds input to sys.stdin.readline, as competitors do.",
        NUMBERS,
        """
        import sys
        input = sys.stdin.readline
        n = int(input())
        print(sum(map(int, input().split())))
        """,
    ),
    honest(
        "read-with-readlines", "Uses readlines().", LINES, "import sys\nprint(len(sys.stdin.readlines()))\n"
    ),
    honest(
        "read-bytes",
        "Reads sys.stdin.buffer and writes sys.stdout.buffer.",
        NUMBERS,
        """
        import sys
        numbers = sys.stdin.buffer.read().split()
        sys.stdout.buffer.write(b"%d\\n" % sum(map(int, numbers[1:])))
        """,
    ),
    honest(
        "read-by-number",
        "Opens descriptor 0 as a file.",
        NUMBERS,
        "print(sum(map(int, open(0).read().split()[1:])))\n",
    ),
    honest(
        "read-by-path",
        "Opens /dev/stdin.",
        NUMBERS,
        "print(sum(map(int, open('/dev/stdin').read().split()[1:])))\n",
    ),
    honest(
        "read-through-proc",
        "Opens /proc/self/fd/0.",
        NUMBERS,
        "print(sum(map(int, open('/proc/self/fd/0').read().split()[1:])))\n",
    ),
    honest(
        "read-with-fileinput",
        "Uses the fileinput module.",
        LINES,
        "import fileinput\nprint(sum(1 for _ in fileinput.input()))\n",
    ),
    honest(
        "read-with-os-read",
        "Reads the descriptor in pieces.",
        NUMBERS,
        """
        import os
        data = b""
        while piece := os.read(0, 3):
            data += piece
        os.write(1, str(sum(map(int, data.split()[1:]))).encode() + b"\\n")
        """,
    ),
    honest(
        "read-its-size-first",
        "Asks fstat for the size of its input, as fast readers do.",
        NUMBERS,
        """
        import io, os, sys
        stream = io.BytesIO(os.read(0, max(os.fstat(0).st_size, 1 << 16)))
        n = int(stream.readline())
        print(sum(map(int, stream.readline().split())))
        """,
    ),
    honest(
        "replace-stdin",
        "Replaces sys.stdin by a text buffer of what it read.",
        NUMBERS,
        """
        import io, sys
        sys.stdin = io.StringIO(sys.stdin.read())
        n = int(input())
        print(sum(int(x) for x in input().split()))
        """,
    ),
    honest(
        "read-only-a-part",
        "Leaves most of its input unread.",
        stdio(("7\n" + "x" * 3_000_000, "7\n")),
        "print(input())\n",
    ),
    honest(
        "read-nothing",
        "Does not read its input at all.",
        stdio(("x" * 1_000_000, "done\n")),
        "print('done')\n",
    ),
    honest("prompt", "Passes an empty prompt to input().", GREETING, "print(f\"Hello, {input('')}!\")\n"),
    honest(
        "windows-line-ends",
        "Gets and gives lines that end in CRLF.",
        stdio(("1 2\r\n3 4\r\n", "3\r\n7\r\n")),
        """
        import sys
        for line in sys.stdin:
            sys.stdout.write(str(sum(map(int, line.split()))) + "\\r\\n")
        """,
    ),
    honest(
        "many-megabytes",
        "Reads 5 MB and writes 5 MB.",
        stdio(("0123456789\n" * 480_000, "9876543210\n" * 480_000)),
        """
        import sys
        for line in sys.stdin:
            sys.stdout.write(line[-2::-1] + "\\n")
        """,
    ),
    honest(
        "undecodable-input-goes-through",
        "Passes on text with lone surrogates, which stand for bytes that are no UTF-8.",
        stdio(("a\udcffb\n", "a\udcffb!\n")),
        "print(input() + '!')\n",
    ),
)

WRITING = (
    honest(
        "write-unicode", "Writes letters of many scripts.", GREETING, "print('Hello, ' + input() + '!')\n"
    ),
    honest("write-without-a-newline", "Writes no final newline.", NOTHING_IN, "print('done', end='')\n"),
    honest(
        "write-with-blanks",
        "Writes blanks at the ends of lines, and blank lines at the end.",
        NOTHING_IN,
        "print('done  \\n\\n')\n",
    ),
    honest(
        "write-from-an-exit-handler",
        "Writes its answer from an exit handler.",
        NOTHING_IN,
        "import atexit\natexit.register(print, 'done')\n",
    ),
    honest(
        "write-from-a-thread",
        "Writes its answer from a thread that outlives the main one.",
        NOTHING_IN,
        """
        import threading, time
        threading.Thread(target=lambda: (time.sleep(0.1), print("done"))).start()
        """,
    ),
    honest(
        "write-to-every-stream",
        "Writes through print, the buffer and the descriptor, in order.",
        stdio(("", "one\ntwo\nthree\nfour\n")),
        """
        import os, sys
        print("one", flush=True)
        sys.stdout.buffer.write(b"two\\n")
        sys.stdout.buffer.flush()
        os.write(1, b"three\\n")
        sys.__stdout__.write("four\\n")
        """,
    ),
    honest(
        "write-by-path",
        "Writes to /dev/stdout.",
        NOTHING_IN,
        "with open('/dev/stdout', 'w') as out:\n    out.write('done\\n')\n",
    ),
    honest(
        "write-a-stream-of-its-own",
        "Replaces sys.stdout by a buffered stream and prints its contents at the end.",
        STDIO,
        """
        import io, sys
        out = sys.stdout = io.StringIO()
        print(sum(map(int, input().split())))
        sys.stdout = sys.__stdout__
        print(out.getvalue(), end="")
        """,
    ),
    honest(
        "write-through-a-fast-stream",
        "Replaces the standard streams by its own wrappers of the descriptors, flushed at exit.",
        STDIO,
        """
        import atexit, io, os, sys

        class Fast(io.IOBase):
            def __init__(self, file):
                self.fd, self.buffer = file.fileno(), io.BytesIO()
                self.write = self.buffer.write
            def flush(self):
                os.write(self.fd, self.buffer.getvalue())
                self.buffer.truncate(0), self.buffer.seek(0)

        sys.stdout = Fast(sys.stdout)
        atexit.register(sys.stdout.flush)
        sys.stdout.write(b"%d\\n" % sum(map(int, input().split())))
        """,
    ),
    honest(
        "write-to-stderr-too",
        "Writes a lot of debugging output to standard error.",
        STDIO,
        """
        import sys
        for n in range(20_000):
            print("looking at", n, file=sys.stderr)
        print(sum(map(int, input().split())))
        """,
    ),
    honest(
        "leave-a-stream-unflushed",
        "Writes through its own stream on descriptor 1 and leaves it to the interpreter's end to flush it.",
        NOTHING_IN,
        "out = open(1, 'w')\nout.write('done\\n')\n",
    ),
    honest(
        "write-from-a-destructor",
        "Writes the last line when its objects are destroyed at the interpreter's end.",
        stdio(("", "first\nlast\n")),
        """
        class Last:
            def __del__(self):
                print("last")

        last = Last()
        print("first")
        """,
    ),
    honest(
        "close-stdout",
        "Closes standard output when it is done.",
        NOTHING_IN,
        "import sys\nprint('done')\nsys.stdout.close()\n",
    ),
    honest(
        "warn",
        "Issues warnings.",
        NOTHING_IN,
        """
        import warnings
        warnings.warn("careful")
        warnings.warn("old", DeprecationWarning)
        pattern = "\\d" if True else '\\d'
        print("done")
        """,
    ),
    honest(
        "words-on-other-lines",
        "Writes the right words with other white space, where words are compared.",
        stdio(("", "1 2 3\n4\n"), comparison=Comparison.TOKENS),
        "print(1)\nprint('2\\t3   4')\n",
    ),
    honest(
        "floats-within-tolerance",
        "Writes floats with other digits at the end, where that is allowed.",
        stdio(("", "0.3333333333 inf 1e10 word\n"), comparison=Comparison.FLOATS),
        "print('0.33333333334 inf 10000000000.0 word')\n",
    ),
)

ENDING = (
    honest(
        "end-with-sys-exit", "Ends with sys.exit().", NOTHING_IN, "import sys\nprint('done')\nsys.exit()\n"
    ),
    honest(
        "end-with-sys-exit-0",
        "Ends with sys.exit(0) deep in a function.",
        NOTHING_IN,
        "import sys\ndef main():\n    print('done')\n    sys.exit(0)\nmain()\n",
    ),
    honest("end-with-exit", "Ends with exit().", NOTHING_IN, "print('done')\nexit()\n"),
    honest("end-with-quit", "Ends with quit(0).", NOTHING_IN, "print('done')\nquit(0)\n"),
    honest("end-with-system-exit", "Raises SystemExit.", NOTHING_IN, "print('done')\nraise SystemExit\n"),
    honest(
        "end-with-os-exit",
        "Ends with os._exit(0), having flushed.",
        NOTHING_IN,
        "import os\nprint('done', flush=True)\nos._exit(0)\n",
    ),
    honest(
        "end-in-main",
        "Runs only where it is the main program, and returns its status.",
        NOTHING_IN,
        """
        import sys

        def main() -> int:
            print("done")
            return 0

        if __name__ == "__main__":
            sys.exit(main())
        """,
    ),
    honest(
        "end-with-a-daemon-thread",
        "Leaves a daemon thread that would run for ever.",
        NOTHING_IN,
        """
        import threading, time
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
        print('done')
        """,
    ),
)

HONEST = READING + WRITING + ENDING
