"""What accepted programs compute: values, conditions, loops, tables, and the faults that end them."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.compiler import compile_contract
from contracts.errors import Revert
from contracts.values import DAY, INT_MAX, ITEMS_MAX, TEXT_BYTES_MAX, Money
from tests.contracts_lang.sources import answer, host_of, method, query

EXPRESSIONS: list[tuple[str, str, Any]] = [
    ("int", "7 // 2 + 7 % 4 * 2 - -3", 12),
    ("int", "-7 // 2", -4),
    ("int", "-7 % 3", 2),
    ("int", "-2 ** 2", -4),
    ("int", "2 ** 254 + (2 ** 254 - 1)", INT_MAX),
    ("int", "(-1) ** 7 + 0 ** 0 + 1 ** 1000 + 0 ** 9", 1),
    ("int", "abs(-5) + min(3, 1, 2) + max(4, 6)", 12),
    ("int", "muldiv(2 ** 200, 2 ** 200, 2 ** 201)", 2**199),
    ("int", "1 if self.count == 0 else 2", 1),
    ("bool", "1 < 2 <= 2 < 3", True),
    ("bool", "1 < 2 > 3", False),
    ("bool", "not (True and False) or False", True),
    ("bool", 'self.phase == "open" and self.phase != "closed"', True),
    ("bool", "self.buyer == self.owners[0]", True),
    ("str", '"a" + str(12) + str(self.buyer) + str(-3)', "a12shop-3"),
    ("str", '"it\'s" \' "quoted"\'', 'it\'s "quoted"'),
    ("str", '"\\u00e9\\n\\t\\\\\\""', 'é\n\t\\"'),
    ("str", '"abcdef"[1:3] + "abcdef"[-1] + "abcdef"[:2] + "abcdef"[4:]', "bcfabef"),
    ("bytes", 'b"\\x00\\xff" + "\\u00e9".encode()', b"\x00\xff\xc3\xa9"),
    ("str", 'sha256(b"").hex()[:8]', "e3b0c442"),
    ("bool", '"b" > "a" and b"b" >= b"b"', True),
    ("Money", "self.price + self.price * 2 - Money(1, self.price.currency)", Money(2_999, "euro")),
    ("Money", "3 * self.price // 7", Money(428, "euro")),
    ("Money", "RATE.of(self.price)", Money(15, "euro")),
    ("int", "RATE.of(999)", 14),
    ("int", "(RATE * 2 + RATE).of(1_000)", 45),
    ("bool", "self.price > self.price * 0 and min(self.price, self.price * 2) == self.price", True),
    ("Money", "max([self.price, self.price * 3, self.price * 2])", Money(3_000, "euro")),
    ("Time", "self.deadline + 2 * DAY - HOUR", 12 * DAY - DAY // 24),
    ("Span", "self.deadline - now()", 10 * DAY - 1_000_000),
    ("Span", f"SECOND * {2**53 // 1000} - SECOND + MINUTE // 60", 2**53 // 1000 * 1000),
    ("int", "(self.deadline - now()) // DAY + GRACE // HOUR", 9 + 72),
    ("int", "days_started(DAY) + days_started(DAY + SECOND) + days_started(-DAY)", 3),
    ("int", "days_started(0 * DAY)", 0),
    ("bool", "now() < self.deadline <= self.deadline + WEEK", True),
    ("list[int]", "sorted([3, 1, 2])", [1, 2, 3]),
    ("list[int]", "[1, 2, 3, 4][1:3]", [2, 3]),
    ("int", "sum([1, 2, 3]) + len([1, 2]) + len('ab') + min([4, 2])", 12),
    ("dict[str, int]", "{'b': 2, 'a': 1}", {"a": 1, "b": 2}),
    ("bool", "2 in [1, 2] and 3 not in [1, 2] and 'a' in {'a': 1} and 'b' not in {'a': 1}", True),
    ("int", "{'a': 1}.get('b', 7) + {'a': 1}['a'] + [5, 6][-1]", 14),
    ("list[list[int]]", "[[1], [], [2, 3]]", [[1], [], [2, 3]]),
    ("list[Party]", "[self.buyer, self.carrier]", ["shop", "truck"]),
    ("Party", "self.carrier", "truck"),
    ("Instance", "this()", "deal"),
]

BODIES: dict[str, tuple[str, str, Any]] = {
    "loop": (
        "int",
        """
            total = 0
            for i in range(2, 6):
                total += i
            return total
        """,
        14,
    ),
    "continue and break": (
        "int",
        """
            total = 0
            for i in range(100):
                if i % 2 == 0:
                    continue
                if i > 9:
                    break
                total += i
            return total
        """,
        25,
    ),
    "while": (
        "int",
        """
            n = 27
            steps = 0
            while n != 1:
                n = n // 2 if n % 2 == 0 else 3 * n + 1
                steps += 1
            return steps
        """,
        111,
    ),
    "elif": (
        "str",
        """
            x = 5
            if x > 7:
                return 'a'
            elif x > 4:
                return 'b'
            else:
                return 'c'
        """,
        "b",
    ),
    "append while looping": (
        "list[int]",
        """
            x = [1, 2]
            for i in x:
                x.append(i * 10)
            return x
        """,
        [1, 2, 10, 20],
    ),
    "pop": (
        "int",
        """
            x = [1, 2]
            y = x.pop()
            return y * 10 + len(x)
        """,
        21,
    ),
    "two names of one list": (
        "int",
        """
            x = [1]
            y = x
            y.append(2)
            return len(x)
        """,
        2,
    ),
    "a dict goes in order": (
        "str",
        """
            x = {'b': 1, 'c': 2}
            x['a'] = 3
            text = ''
            for k, v in x.items():
                text += k + str(v)
            for k in x:
                text += k
            return text
        """,
        "a3b1c2abc",
    ),
    "items in place": (
        "list[int]",
        """
            x = [1, 2, 3]
            x[0] = 9
            x[-1] += 5
            return x
        """,
        [9, 2, 8],
    ),
    "nested items in place": (
        "list[list[int]]",
        """
            x = [[1], [2]]
            x[1].append(3)
            x[0][0] += 1
            return x
        """,
        [[2], [2, 3]],
    ),
    "typed empty": (
        "dict[str, int]",
        """
            x: dict[str, int] = {}
            x['a'] = 1
            x['a'] += 1
            return x
        """,
        {"a": 2},
    ),
    "stored list is a copy": (
        "int",
        """
            x = self.names
            x.append('a')
            return len(self.names)
        """,
        0,
    ),
    "bool fact": (
        "str",
        """
            if reported(self.accepted):
                if self.accepted:
                    return 'yes'
                return 'no'
            return 'unknown'
        """,
        "unknown",
    ),
    "fact after a require": (
        "bool",
        """
            require(not reported(self.weight), 'no')
            return True
        """,
        True,
    ),
    "one evaluation of a key": (
        "int",
        """
            x = [1, 2, 3]
            y = [0, 1]
            x[y.pop()] += 10
            return x[1] * 10 + len(y)
        """,
        121,
    ),
}

FAULTS: dict[str, tuple[str, str]] = {
    "overflow": ("x = 2 ** 254 * 2", "overflow"),
    "negative overflow": (f"x = -{INT_MAX} - 1", "overflow"),
    "power": ("x = 2 ** 255", "overflow"),
    "huge power": ("x = 7 ** 3000000", "overflow"),
    "negative power": ("y = -1\nx = 2 ** (y)", "overflow"),
    "money overflow": ("x = self.price * 2 ** 250", "overflow"),
    "span overflow": (f"x = SECOND * {2**53 // 1000 + 1}", "overflow"),
    "time overflow": (f"x = self.deadline + SECOND * {2**53 // 1000}", "overflow"),
    "time underflow": (f"x = SECOND * {2**53 // 1000}\ny = self.deadline - x - x", "overflow"),
    "sum overflow": ("x = sum([2 ** 254, 2 ** 254])", "overflow"),
    "division": ("y = 0\nx = 1 // y", "division"),
    "remainder": ("y = 0\nx = 1 % y", "division"),
    "span division": ("x = DAY // (DAY - DAY)", "division"),
    "money division": ("x = self.price // 0", "division"),
    "muldiv": ("x = muldiv(1, 1, 0)", "division"),
    "index": ("x = [1][1]", "index"),
    "negative index": ("x = [1][-2]", "index"),
    "index of text": ("x = 'a'[1]", "index"),
    "set beyond": ("x = [1]\nx[1] = 2", "index"),
    "pop of nothing": ("x = [1][:0]\ny = x.pop()", "index"),
    "min of nothing": ("x: list[int] = []\ny = min(x)", "index"),
    "key": ("x = {'a': 1}['b']", "key"),
    "large key": ("x: dict[int, int] = {}\nx[2 ** 60] = 1", "key"),
    "entry": ("x = self.scores[self.buyer]", "key"),
    "delete of nothing": ("del self.scores[self.buyer]", "key"),
    "currencies": ("x = self.price + Money(1, this())", "currency"),
    "order of currencies": ("x = self.price < Money(1, this())", "currency"),
    "long text": ("x = 'ab'\nfor i in range(20):\n    x = x + x", "size"),
    "long list": (f"x = [0]\nfor i in range({ITEMS_MAX}):\n    x.append(i)", "size"),
    "long dict": (f"x = {{0: 0}}\nfor i in range({ITEMS_MAX + 1}):\n    x[i] = i", "size"),
    "limit of rows": ("for k, v in self.scores.items(limit=0):\n    x = v", "size"),
    "large store": (
        """
            y = 'abcdefgh'
            for i in range(8):
                y = y + y
            x = [y]
            for i in range(40):
                x.append(y)
            self.names = x
        """,
        "size",
    ),
    "no end": ("while True:\n    self.count += 1", "gas"),
    "empty loop": ("while True:\n    pass", "gas"),
    "long range": ("for i in range(2 ** 62):\n    pass", "gas"),
    "longer range": ("for i in range(2 ** 62 + 1):\n    pass", "size"),
}


@pytest.mark.parametrize(("returns", "expression", "expected"), EXPRESSIONS)
def test_expression(returns: str, expression: str, expected: Any) -> None:
    result = answer(f"return {expression}", returns)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize("name", BODIES)
def test_body(name: str) -> None:
    returns, body, expected = BODIES[name]
    assert answer(body, returns) == expected


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str) -> None:
    body, code = FAULTS[name]
    program = compile_contract(method(body, "@action()\ndef tried(self) -> None:"))
    with pytest.raises(Revert) as refused:
        program.run_action("tried", host_of(program), ())
    assert refused.value.code == code
    assert refused.value.consumes_all


def test_arguments_are_copied_before_they_are_used() -> None:
    given = [1, 2]
    assert answer("x.append(3)\nreturn x", "list[int]", "x: list[int]", given) == [1, 2, 3]
    assert given == [1, 2]


def test_require_undoes_with_its_text_and_leaves_the_gas() -> None:
    program = compile_contract(
        method("require(self.count > 0, 'none: ' + str(self.count))", "@action()\ndef f(self):")
    )
    host = host_of(program)
    before = host.meter.gas
    with pytest.raises(Revert) as refused:
        program.run_action("f", host, ())
    assert (refused.value.code, refused.value.text, refused.value.consumes_all) == (
        "require",
        "none: 0",
        False,
    )
    assert 0 < before - host.meter.gas < 500


def test_the_text_of_a_require_is_computed_only_when_it_fails() -> None:
    assert answer("x = [1]\nrequire(True, str(x[5]))\nreturn 1", "int") == 1


def test_a_text_of_the_largest_size_is_made_and_no_larger() -> None:
    body = "x = a + b\nreturn len(x)"
    parameters = "a: str, b: str"
    assert answer(body, "int", parameters, "x" * (TEXT_BYTES_MAX - 1), "y") == TEXT_BYTES_MAX
    with pytest.raises(Revert, match="size"):
        answer(body, "int", parameters, "x" * TEXT_BYTES_MAX, "y")
    with pytest.raises(Revert, match="size"):  # counted in bytes of UTF-8
        answer(body, "int", parameters, "é" * (TEXT_BYTES_MAX // 2), "y")


def test_tables_are_read_written_and_gone_through_in_the_order_of_keys() -> None:
    body = """
        for name in ["c", "a", "b"]:
            self.pairs[self.buyer, name] = len(name)
            self.pairs[self.buyer, name] += 1
        del self.pairs[self.buyer, "b"]
        self.pairs[self.owners[1], "z"] = self.pairs.get((self.buyer, "q"), 40)
        require((self.buyer, "a") in self.pairs and (self.buyer, "b") not in self.pairs, "membership")
        for key, value in self.pairs.items(limit=10):
            self.note += str(key[0]) + key[1] + str(value) + " "
        for key, value in self.pairs.items(limit=1, after=(self.buyer, "a")):
            self.note += "| " + key[1]
    """
    program = compile_contract(method(body, "@action()\ndef f(self):"))
    host = host_of(program)
    program.run_action("f", host, ())
    assert host.fields["note"] == "farmz40 shopa2 shopc2 | c"


def test_a_loop_over_a_table_sees_it_as_it_was_when_the_loop_began() -> None:
    body = """
        for i in range(3):
            self.scores[self.owners[i % 2]] = i
        for who, score in self.scores.items(limit=10):
            del self.scores[who]
            self.count += score
    """
    program = compile_contract(method(body, "@action()\ndef f(self):"))
    host = host_of(program)
    program.run_action("f", host, ())
    assert host.fields["count"] == 3
    assert host.tables["scores"] == {}


def test_what_is_stored_is_not_shared_with_the_method() -> None:
    body = """
        x = ["a"]
        self.names = x
        self.lists["k"] = [1]
        y = self.lists["k"]
        y.append(2)
        x.append("b")
        self.count = len(self.names) * 10 + len(self.lists["k"])
    """
    program = compile_contract(method(body, "@action()\ndef f(self):"))
    host = host_of(program)
    program.run_action("f", host, ())
    assert host.fields["count"] == 11


def test_money_is_held_and_paid() -> None:
    body = """
        self.take(self.buyer, self.price)
        self.pay(self.owners[1], self.held(self.price.currency) // 4)
        emit(Paid(amount=self.held(self.price.currency), to=self.buyer))
    """
    program = compile_contract(method(body, "@action()\ndef f(self):"))
    host = host_of(program)
    host.sign("shop")
    host.balances["euro", "shop"] = 1_000
    program.run_action("f", host, ())
    assert host.balance("euro", "farm") == 250
    assert host.events == [("Paid", {"to": "shop", "amount": Money(750, "euro")})]


def test_operands_are_computed_in_the_order_in_which_they_are_written() -> None:
    body = """
        x = self.step(1) * (self.price * self.step(2))
        y = self.step(3) * self.price
        z = (self.price * self.step(4)).amount - self.step(5)
        self.pairs[self.who(7), str(self.step(8))] = self.step(6)
        emit(Paid(amount=self.price * self.step(9), to=self.who(10)))
        for k, v in self.pairs.items(limit=self.step(11), after=(self.who(12), "")):
            self.count = v
        numbers = [0, 0]
        numbers[self.step(14) % 2] = self.step(13)
        numbers[self.step(15) % 2] += self.step(16)
    """
    steps = """
    def step(self, n: int) -> int:
        self.note += str(n) + " "
        return n

    def who(self, n: int) -> Party:
        self.note += str(n) + " "
        return self.buyer
    """
    program = compile_contract(method(body, "@action()\ndef f(self):") + "\n" + steps)
    host = host_of(program)
    program.run_action("f", host, ())
    assert host.fields["note"].split() == [str(n) for n in range(1, 17)]
    assert list(host.events[0][1]) == ["to", "amount"]


def test_an_entry_for_none_is_told_apart_from_a_false_one() -> None:
    assert answer("return self.scores.get(self.buyer, 5)", "int") == 5
    program = query("return self.scores.get(self.buyer, 5)", "int")
    host = host_of(program)
    host.tables["scores"]["shop"] = 0
    assert program.run_query("asked", host, ()) == 0


def test_a_fault_of_the_host_is_ours_and_not_the_contracts() -> None:
    program = query("return self.count", "int")
    host = host_of(program)
    del host.fields["count"]
    with pytest.raises(KeyError):
        program.run_query("asked", host, ())
