"""reasoning-gym: every generator's own answer is right, and nothing that merely contains it is."""

import json
import subprocess
import sys

import pytest
from rlvr_envs.reasoning.entries import SEEDED_WHEN_MADE
from rlvr_envs.reasoning.kinds import KINDS, REFUSED
from rlvr_envs.reasoning.reasoning_gym import FORMAT, Problem

import rlvr_gym as rg
from rlvr_gym.verifiers.workers import WorkerPool

SLOW = {"knight_swap", "rush_hour", "quantum_lock", "intermediate_integration"}
GENERATORS = sorted(KINDS)


@pytest.fixture(scope="module")
def drawn():
    """The first tasks of a generator, drawn once."""
    found = {}

    def draw(name):
        if name not in found:
            env = rg.make("reasoninggym", dataset=name)
            found[name] = [env.tasks.at(index) for index in range(1 if name in SLOW else 2)]
        return found[name]

    return draw


def score(task, said):
    return rg.make("reasoninggym").verifier.verify(task, rg.Completion(text=f"<answer>{said}</answer>")).score


def test_all_generators_of_the_package_are_in_the_table_or_refused_with_a_reason():
    names = WorkerPool("rlvr_envs.reasoning.entries:names", workers=1, memory_bytes=4 << 30)
    assert set(names.call(None, timeout_seconds=120)) == set(KINDS) | set(REFUSED)
    assert not set(KINDS) & set(REFUSED)
    assert len(KINDS) >= 100


@pytest.mark.parametrize("name", GENERATORS)
def test_the_own_answer_of_every_generator_is_right_and_ids_are_of_the_question(name, drawn):
    env = rg.make("reasoninggym", dataset=name)
    for task in drawn(name):
        assert env.verifier.verify(task, rg.Completion(text=env.solution(task) or "")).score == 1.0
        assert task.id.startswith(f"{name}-")
        assert task.text.endswith(FORMAT)
        assert Problem.model_validate(task.reference).fault(task.reference["gold"]) is None


@pytest.mark.parametrize("name", GENERATORS)
def test_what_holds_the_answer_among_other_things_earns_nothing(name, drawn):
    for task in drawn(name):
        gold, question = task.reference["gold"], task.text.removesuffix(FORMAT).strip()
        for said in (
            f"The answer is {gold} of course",
            f"{gold} or 17",
            f"{gold} {gold}",
            f"{gold}\n{gold}",
            f"[{gold}, 17]",
            f"{gold}</answer> or <answer>17",
            question,
            f"{question} {gold}",
            "__import__('os').system('true')",
            "",
        ):
            assert score(task, said) == 0.0, said


@pytest.mark.parametrize("name", GENERATORS)
def test_no_answer_is_judged_slowly_or_breaks_a_check(name, drawn):
    env = rg.make("reasoninggym", dataset=name)
    for said in (
        "9" * 5000,
        "[" * 5000,
        "(" * 5000,
        "1/0",
        "1e999",
        "-" * 5000,
        "9**9**9",
        "\x00",
        "{}",
        "[[]]",
        "ñ",
    ):
        verdict = env.verifier.verify(drawn(name)[0], rg.Completion(text=f"<answer>{said}</answer>"))
        assert verdict.score == 0.0, said


def test_splits_share_no_question_and_a_seed_gives_its_tasks_again():
    def ids(**options):
        return [task.id for task in rg.make("reasoninggym", dataset="gcd,lcm", **options).tasks.take(30)]

    assert ids(seed=1) == ids(seed=1) != ids(seed=2)
    assert not set(ids(seed=1)) & set(ids(seed=3, split="test"))
    assert {id.partition("-")[0] for id in ids(seed=1)} == {"gcd", "lcm"}


@pytest.mark.parametrize("name", sorted(SEEDED_WHEN_MADE | {"caesar_cipher"}))
def test_a_problem_depends_on_its_seed_alone(name):
    tasks = rg.make("reasoninggym", dataset=name).tasks
    there = [tasks.at(index) for index in (0, 1, 2)]
    again = rg.make("reasoninggym", dataset=name).tasks
    assert [again.at(index) for index in (2, 0, 1)] == [there[2], there[0], there[1]]
    assert len({task.id for task in there}) == 3


@pytest.mark.slow
def test_problems_are_the_same_in_every_process():
    program = (
        "import json, rlvr_gym as rg\n"
        "print(json.dumps([rg.make('reasoninggym', dataset=name).tasks.fingerprint if name == 'gcd' else "
        "rg.make('reasoninggym', dataset=name).tasks.at(0).content_hash for name in "
        "('gcd', 'ransom_note', 'isomorphic_strings', 'polynomial_multiplication', 'word_ladder')]))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert len(json.loads(said.pop())) == 5


def test_options_of_a_generator_are_its_own():
    small = rg.make("reasoninggym", dataset="gcd", config={"min_value": 6, "max_value": 7})
    assert all(Problem.model_validate(task.reference).gold in ("1", "6", "7") for task in small.tasks.take(4))
    with pytest.raises(
        rg.DataError, match=r"'gcd' draws nothing with config=\{'min': 6\}: .*unexpected keyword"
    ):
        rg.make("reasoninggym", dataset="gcd", config={"min": 6}).tasks.at(0)
    with pytest.raises(rg.ConfigError, match="config sets the options of one generator"):
        rg.make("reasoninggym", dataset="gcd,lcm", config={"min_value": 6})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gdc", "no generator 'gdc'; did you mean 'gcd'?"),
        ("", "no generator ''; "),
        ("composite", "the generator 'composite' is not used: give several names"),
        ("propositional_logic", "a premise said again is a valid conclusion"),
    ],
)
def test_a_generator_that_is_not_used_is_refused_with_the_reason(name, message):
    with pytest.raises(rg.ConfigError, match=message.replace("?", r"\?")):
        rg.make("reasoninggym", dataset=name)


def test_without_the_package_the_environment_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(rg.ConfigError, match=r"needs reasoning-gym: pip install .*\[reasoning\]"):
        rg.make("reasoninggym", dataset="gcd")


def judged(name, gold, facts, said):
    return Problem(dataset=name, gold=gold, facts=facts).fault(said) is None


@pytest.mark.parametrize(
    ("name", "gold", "facts", "right", "wrong"),
    [
        (
            "chain_sum",
            "1234",
            {},
            ["1234", "1,234", "1234.0", "+1234", "2468/2"],
            ["12,34", "1234 m", "1235"],
        ),
        ("decimal_arithmetic", "-0.5", {}, ["-.5", "-1/2", "−0.50"], ["0.5", "-0.5.", "-5"]),
        ("syllogism", "Yes", {}, ["yes", "Yes."], ["Yes, No", "Y", "Yesno"]),
        ("word_sorting", "Ann, bee", {}, ["Ann,bee", " Ann ,  bee"], ["ann, bee", "bee, Ann", "Ann bee"]),
        ("power_function", "8.05544e-06", {}, ["8.06e-6", "0.00000806"], ["8.05e-06", "8.1e-06", "8.06e6"]),
        ("coin_flip", "0.0001", {}, ["0.0001", "1/10000"], ["0", "0.0002", "1e-5"]),
        ("bitwise_arithmetic", "-0xff", {}, ["-0xFF", "-0x0ff"], ["-255", "0xff", "-0xff0"]),
        (
            "fraction_simplification",
            "$\\frac{3}{4}$",
            {},
            ["3/4", "\\dfrac{3}{4}", "$3/4$"],
            ["6/8", "0.75", "4/3"],
        ),
        (
            "complex_arithmetic",
            "4.0 - 7.0i",
            {},
            ["4-7i", "(4 - 7i)", "4.0-7j"],
            ["4+7i", "-7i", "4", "4 7i"],
        ),
        (
            "prime_factorization",
            "2 × 3 × 3",
            {},
            ["3 * 2 * 3", "2x3x3", "2·3·3"],
            ["2 × 9", "18", "2 × 3", "2 3 3"],
        ),
        (
            "game_of_life",
            "[[0,1]]",
            {},
            ["[[0, 1]]", "[[0,1.0]]"],
            ["[[0,true]]", "[0,1]", "[[0,1],[]]", "[[1,0]]"],
        ),
        (
            "group_anagrams",
            '[["a","b"],["c"]]',
            {},
            ['[["c"],["b","a"]]'],
            ['[["a"],["b","c"]]', '[["c"]]', "a b c"],
        ),
        (
            "palindrome_partitioning",
            '[["a","b"]]',
            {},
            ['[["a", "b"]]'],
            ['[["b","a"]]', '[["a","b"],["a","b"]]'],
        ),
        (
            "knights_knaves",
            "Al is a sage, and Bo is a fool.",
            {},
            ["Bo is a fool and Al is a sage"],
            ["Al is a sage"],
        ),
        (
            "polynomial_equations",
            "-1.5, 2.0",
            {},
            ["2.0, -1.5", "2,-1.5001"],
            ["2,-1.5004", "2", "2, -1.5, 3", "2; -1.5"],
        ),
        (
            "advanced_geometry",
            "45.12°",
            {},
            ["45.12", "45.123°", "45.12 °"],
            ["45.13", "45", "45.12° or 46°"],
        ),
        (
            "advanced_geometry",
            "(-51.000, 1.5)",
            {},
            ["(-51, 1.5)", "-51, 1.5"],
            ["(1.5, -51)", "-51", "-51, 1.504"],
        ),
        ("number_sorting", "['1', '2.5']", {}, ['["1", "2.5"]', "[1, 2.5]"], ["[2.5, 1]", "[1]", "1 2.5"]),
        ("futoshiki", "1 < 2\n2   1", {}, ["1 2\n2 1", "1 < 2\n\n2   1"], ["12\n21", "1 2\n1 2", "1 2 2 1"]),
        ("sudoku", "1 2\n2 1", {}, ["1  2\n2 1 "], ["1 2 2 1", "1 2\n2 1\n1 2", "1,2\n2,1"]),
        (
            "simple_integration",
            "x**3/3 + x**2 + x + C",
            {"variable": "x"},
            ["x^3/3+x^2+x+C", "\\frac{(x+1)^3}{3} + C", "x**3/3 + x**2 + x", "x + x^2 + x^3/3 + 7 + K"],
            ["x**3/3 + x**2 +", "x^2 + 2x + 1", "(x+1)^3 + C", "x^3/3 + x^2 + x + C or so", "C", "F(x)"],
        ),
        (
            "intermediate_integration",
            "sin(2*X)**2/2 + exp(X)*log(X) + asin(3*X) + C",
            {"variable": "X"},
            ["-cos(2X)^2/2 + e^X \\ln X + \\arcsin(3X) + C", "exp(X)*log(X) + asin(3*X) - cos(4*X)/4"],
            ["cos(2X)^2/2 + e^X \\ln X + \\arcsin(3X) + C", "-cos(2x)^2/2 + e^x \\ln x + \\arcsin(3x) + C"],
        ),
        (
            "polynomial_multiplication",
            "x**2 - 1",
            {},
            ["x^2-1", "-1 + x**2"],
            ["(x-1)*(x+1)", "x^2-1 yes"],
        ),
        (
            "countdown",
            "1*2+3",
            {"numbers": [1, 2, 3], "target": 5},
            ["3+2*1", "(3+2)/1"],
            ["5", "2+3", "3+2*1=5"],
        ),
        (
            "puzzle24",
            "1*2*3*4",
            {"numbers": [1, 2, 3, 4]},
            ["4*3*2*1", "4*(1+2+3)"],
            ["24", "4*6", "2*3*4", "4!"],
        ),
        (
            "cryptarithm",
            "A=1,B=2",
            {"words_letters": ["A", "A"], "result_letters": "B"},
            ["B=2, A=1", "A=2,B=4"],
            ["A=1,B=3", "A=0,B=0", "A=1", "A=1,B=2,C=3", "A=11,B=22"],
        ),
        (
            "graph_color",
            '{"0": 1, "1": 2}',
            {"puzzle": {"vertices": [0, 1], "edges": [[0, 1]], "color_options": [1, 2]}},
            ['{"1": 1, "0": 2}'],
            ['{"0": 1, "1": 1}', '{"0": 1}', '{"0": 1, "1": 3}', '{"0": true, "1": 2}', "[1, 2]"],
        ),
        (
            "jugs",
            "[]",
            {"puzzle": {"jug_capacities": [3, 5], "target": 2}},
            ['["fill B", "pour B->A"]'],
            ['["fill B"]', '["fill C"]', '["fill A->B"]', '["pour A->A"]', '["fill 2"]', "[]", "fill B"],
        ),
        (
            "n_queens",
            "",
            {"puzzle": [list("_Q__"), list("____"), list("____"), list("____")]},
            ["_ Q _ _\n_ _ _ Q\nQ _ _ _\n_ _ Q _"],
            ["_ Q _ _\n_ _ _ Q\nQ _ _ _\n_ _ _ Q", "Q _ _ _\n_ _ _ Q\n_ Q _ _\n_ _ Q _", "_ Q _ _"],
        ),
        (
            "tower_of_hanoi",
            "",
            {"num_disks": 1, "num_pegs": 3, "start_peg": 1, "target_peg": 3, "solution_length": 1},
            ["Move disk 1 from Peg 1 to Peg 3"],
            [
                "Move disk 1 from Peg 1 to Peg 2",
                "Move disk 1 from Peg 1 to Peg 2\nMove disk 1 from Peg 2 to Peg 3",
                "1",
            ],
        ),
        (
            "quantum_lock",
            "A",
            {
                "buttons": [{"name": "A", "type": "add", "value": 2, "active_state": "any"}],
                "solution_path": ["A", "A"],
                "initial_value": 0,
                "initial_state": "red",
                "target_value": 4,
            },
            ["A → A", "A->A", "A A"],
            ["A", "A A A", "A B", "4"],
        ),
        (
            "shortest_path",
            "right right",
            {"matrix": [["*", "O", "#"], ["O", "O", "O"]]},
            ["right right", "Right  right"],
            ["right", "down right right up", "infeasible", "left right", "right right stop"],
        ),
        (
            "shortest_path",
            "infeasible",
            {"matrix": [["*", "X", "#"]]},
            ["infeasible"],
            ["right right", "feasible"],
        ),
        (
            "rush_hour",
            "",
            {"board_config": "oooooo" + "oooooo" + "AAoBoo" + "oooBox" + "oooooo" + "oooooo"},
            ["B+1 A+4", "B-2 A+4", "B+1 A+1 A+3"],
            [
                "A+4",
                "B+1 A+4 A-1 A+1",
                "B+1",
                "B+1 A+9",
                "C+1",
                "B+1 A+5",
                "AA right",
                "B+1, A+4",
                "A-1 B+1 A+4",
            ],
        ),
        ("palindrome_generation", "aba", {"letters": ["a", "b", "a"]}, ["aba", "ABA"], ["aab", "aa", "bab"]),
        (
            "kakurasu",
            "1 0\n0 1",
            {"n_rows": 2, "n_cols": 2, "row_sums": [1, 2], "col_sums": [1, 2]},
            ["1 0\n0 1"],
            ["0 1\n1 0", "1 0", "1 0\n0 2", "1 0\n0 1\n0 0"],
        ),
        (
            "survo",
            "1 2 3\n3 4 7\n4 6 10",
            {"puzzle": [[0, 2, 3], [3, 0, 7], [4, 6, 10]], "candidate_numbers": [1, 4]},
            ["1 2 3\n3 4 7\n4 6 10"],
            ["4 2 3\n3 1 7\n4 6 10", "1 2 3\n3 4 8\n4 6 10", "1 2\n3 4"],
        ),
        (
            "knight_swap",
            "",
            {
                "is_possible": True,
                "num_steps": 2,
                "start_turn": "w",
                "pieces": {"A": "w", "B": "B", "C": None, "D": None},
                "board": {"A": ["B", "C"], "B": ["A"], "C": ["A"], "D": []},
            },
            [],
            ['["w,A,B"]', '["w,A,C", "B,B,A"]', "No", '["B,B,A"]', '["w,A"]', "[1]"],
        ),
        ("knight_swap", "No", {"is_possible": False}, ["No", "no"], ['["w,A,B"]', "yes"]),
        (
            "sokoban",
            "R",
            {"gamestr": "+ + + + +\n+ * @ X +\n+ + + + +"},
            ["R", "UR"],
            ["RR", "L", "RX", "R R"],
        ),
        (
            "rubiks_cube",
            "U'",
            {"cube_size": 3, "scramble_moves": "U"},
            ["U'", "U U U"],
            ["U", "U2 U", "U' R"],
        ),
        (
            "word_ladder",
            "",
            {"start_word": "CAT", "end_word": "DOG"},
            ["CAT,COT,DOT,DOG", "cat, cot, cog, dog"],
            ["CAT,DOG", "CAT,COT,XOT,DOT,DOG", "COT,DOT,DOG", "CAT,COT,CAT,COT,DOT,DOG"],
        ),
    ],
)
def test_checks_by_hand(name, gold, facts, right, wrong):
    assert [said for said in right if not judged(name, gold, facts, said)] == []
    assert [said for said in wrong if judged(name, gold, facts, said)] == []


def test_a_number_that_is_a_thousandth_off_is_another_candidate():
    fault = KINDS["number_format"].fault
    assert fault("612001966.586", {}, "612001966.586000") is None
    assert fault("684046419.815", {}, "6.840464198149999e+08") is None
    assert fault("612001966.586", {}, "612001966.587") is not None
