"""Random programs of the language, each from a seed: the body of a query that answers an int.

They compute with ints, bools, texts, lists, dicts, money, spans, moments, decimals, records and values that
may be None, in loops and branches, and fail now and then. They do not change what they loop over, so that
plain Python means the same by them.
"""

from __future__ import annotations

import random

_TYPES = (
    *("int", "int", "int", "bool", "str", "list[int]", "dict[str, int]", "Money", "Span"),
    *("Time", "Decimal", "Pair", "int | None"),
)
_ANNOTATED = ("list[int]", "dict[str, int]", "int | None")
_ROUNDINGS = ("FLOOR", "CEILING", "HALF_UP", "HALF_EVEN")


class ProgramGenerator:
    """Makes one program."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.variables: dict[str, list[str]] = {}
        self.lines: list[str] = []
        self.frozen: set[str] = set()
        self.made = 0

    def body(self) -> str:
        """The lines of the method."""
        for spec in dict.fromkeys(_TYPES):
            self._new(spec, 0)
        self._block(self.random.randint(5, 12), 0)
        self.lines.append("return " + self._checksum())
        return "\n".join(self.lines)

    def _checksum(self) -> str:
        terms = [*self.variables["int"], *(f"len({name})" for name in self.variables["str"])]
        terms += [f"sum({name})" for name in self.variables["list[int]"]]
        terms += [f"{name}.amount" for name in self.variables["Money"]]
        terms += [f"{name} // SECOND" for name in self.variables["Span"]]
        terms += [f"{name}.ms" for name in self.variables["Time"]]
        terms += [f"{name}.rounded(FLOOR)" for name in self.variables["Decimal"]]
        terms += [f"{name}.number" for name in self.variables["Pair"]]
        terms += [f"(0 if {name} is None else {name})" for name in self.variables["int | None"]]
        return " + ".join(self.random.sample(terms, min(len(terms), 8)))

    # ------------------------------------------------------------ statements

    def _new(self, spec: str, depth: int) -> None:
        self.made += 1
        name = f"{spec[0].lower()}{self.made}"
        annotation = f": {spec}" if spec in _ANNOTATED else ""
        self.lines.append("    " * depth + f"{name}{annotation} = {self._expression(spec, 2)}")
        if depth == 0:
            self.variables.setdefault(spec, []).append(name)

    def _block(self, count: int, depth: int) -> None:
        start = len(self.lines)
        for _ in range(count):
            self._statement(depth)
        if len(self.lines) == start:
            self.lines.append("    " * depth + "pass")

    def _statement(self, depth: int) -> None:
        kind = self.random.choice(
            ("assign", "assign", "augment", "if", "for", "each", "append", "put", "new")
        )
        pad = "    " * depth
        if kind == "new":
            self._new(self.random.choice(_TYPES), depth)
        elif kind == "assign":
            spec = self.random.choice([spec for spec in self.variables if spec not in self.frozen])
            self.lines.append(f"{pad}{self._variable(spec)} = {self._expression(spec, 3)}")
        elif kind == "augment":
            sign = self.random.choice(("+=", "-=", "*=", "//=", "%="))
            value = self._expression("int", 2)
            value = self._divisor(value) if sign in ("//=", "%=") else value
            self.lines.append(f"{pad}{self._variable('int')} {sign} {value}")
        elif kind == "append" and "list[int]" not in self.frozen:
            self.lines.append(f"{pad}{self._variable('list[int]')}.append({self._expression('int', 2)})")
        elif kind == "put" and "dict[str, int]" not in self.frozen:
            key, value = self._expression("str", 1), self._expression("int", 2)
            self.lines.append(f"{pad}{self._variable('dict[str, int]')}[{key}] = {value}")
        elif kind == "if" and depth < 3:
            self.lines.append(f"{pad}if {self._expression('bool', 3)}:")
            self._block(self.random.randint(1, 3), depth + 1)
            if self.random.random() < 0.4:
                self.lines.append(f"{pad}else:")
                self._block(self.random.randint(1, 2), depth + 1)
        elif kind in ("for", "each") and depth < 3:
            self._loop(kind, depth)

    def _loop(self, kind: str, depth: int) -> None:
        name = f"k{depth}"
        over = f"range({self.random.randint(0, 6)})" if kind == "for" else self._variable("list[int]")
        added = set() if kind == "for" else {"list[int]"} - self.frozen
        self.frozen |= added
        self.lines.append("    " * depth + f"for {name} in {over}:")
        self.variables["int"].append(name)
        self._block(self.random.randint(1, 3), depth + 1)
        if self.random.random() < 0.3:
            condition = self._expression("bool", 2)
            leave = self.random.choice(("break", "continue"))
            self.lines += ["    " * (depth + 1) + f"if {condition}:", "    " * (depth + 2) + leave]
        self.variables["int"].remove(name)
        self.frozen -= added

    # ------------------------------------------------------------ expressions

    def _variable(self, spec: str) -> str:
        names = [name for name in self.variables[spec] if not name.startswith("k")]
        return self.random.choice(names or self.variables[spec])

    def _expression(self, spec: str, depth: int) -> str:
        known = self.variables.get(spec, [])
        if depth == 0 or (known and self.random.random() < 0.3):
            return self.random.choice(known) if known else self._literal(spec)
        name = "maybe" if spec == "int | None" else spec.partition("[")[0].lower()
        forms = getattr(self, f"_{name}")(depth - 1)
        return str(self.random.choice(forms))

    def _literal(self, spec: str) -> str:
        number = self.random.choice((0, 1, 2, 3, 7, 19, 100, 2**31))
        return {
            "int": str(number),
            "bool": self.random.choice(("True", "False")),
            "str": repr(self.random.choice(("", "a", "bc", "quote'"))),
            "list[int]": f"[{number}, 3]",
            "dict[str, int]": f"{{'a': {number}}}",
            "Money": f"self.price * {number % 5}",
            "Span": f"{number % 50} * HOUR",
            "Time": f"Time('2024-0{number % 9 + 1}-{28 + number % 3}T23:59:59.{number % 900 + 100}Z')"
            if number % 9 != 1
            else "Time('2024-02-29')",
            "Decimal": f"Decimal('{self.random.choice(('', '-'))}{number}.{number % 1000:03d}')",
            "Pair": f"Pair(text='t', number={number})",
            "int | None": self.random.choice(("None", str(number))),
        }[spec]

    def _int(self, depth: int) -> list[str]:
        left, right = self._expression("int", depth), self._expression("int", depth)
        text, items, table = (
            self._expression(spec, depth) for spec in ("str", "list[int]", "dict[str, int]")
        )
        choose = self._expression("bool", depth)
        return [
            *(f"({left} {sign} {right})" for sign in "+-*"),
            f"({left} // {self._divisor(right)})",
            f"({left} % {self._divisor(right)})",
            f"({left} % 5) ** ({right} % 7)",
            f"-{left}",
            f"abs({left})",
            f"min({left}, {right})",
            f"max({left}, {right}, 3)",
            f"({left} if {choose} else {right})",
            f"len({text})",
            f"len({items})",
            f"sum({items})",
            f"{table}.get({text}, {left})",
            f"{items}[{left} % {self.random.choice((1, 1, 2))}]",
            f"muldiv({left}, {right}, 1 + {left} % 9)",
            f"days_started({self._expression('Span', depth)})",
            f"({self._expression('Span', depth)} // HOUR)",
            f"({self._expression('Money', depth)}).amount",
            *(f"({self._expression('Time', depth)}).{part}" for part in ("year", "month", "day", "weekday")),
            f"(({self._expression('Time', depth)}) - ({self._expression('Time', depth)})).ms",
            f"({self._expression('Decimal', depth)}).rounded({self._rounding()})",
            f"({self._expression('Decimal', depth)}).of({left}, {self._rounding()})",
            f"RATE.of({left}, {self._rounding()})",
            f"({self._expression('Pair', depth)}).number",
            *(f"({name} if {name} is not None else {left})" for name in self.variables.get("int | None", [])),
        ]

    def _rounding(self) -> str:
        return self.random.choice(_ROUNDINGS)

    def _maybe(self, depth: int) -> list[str]:
        return ["None", self._expression("int", depth)]

    def _pair(self, depth: int) -> list[str]:
        number, text = self._expression("int", depth), self._expression("str", depth)
        pair = self._expression("Pair", depth)
        return [
            f"Pair(number={number}, text={text})",
            f"Pair(text={text}, number={number})",
            f"replace({pair}, number={number})",
            f"replace({pair}, text={text}, number={number})",
        ]

    def _time(self, depth: int) -> list[str]:
        moment, span = self._expression("Time", depth), self._expression("Span", depth)
        number = self._expression("int", depth)
        return [
            f"({moment} + {span} % WEEK)",
            f"({moment} - {span} % WEEK)",
            f"({moment}).start_of_day()",
            f"({moment}).add_months({number} % 50 - 25)",
            f"max({moment}, {self._expression('Time', depth)})",
        ]

    def _decimal(self, depth: int) -> list[str]:
        left, right = self._expression("Decimal", depth), self._expression("Decimal", depth)
        number = self._expression("int", depth)
        return [
            f"({left} + {right})",
            f"({left} - {right})",
            f"(-{left})",
            f"abs({left})",
            f"({left} * {number})",
            f"({left}).times({right}, {self._rounding()})",
            f"({left}).over(Decimal(1 + {number} % 9), {self._rounding()})",
            f"Decimal({number})",
            f"min({left}, {right})",
        ]

    def _divisor(self, number: str) -> str:
        """A divisor that is 0 now and then only."""
        return number if self.random.random() < 0.1 else f"({number} % 7 + 1)"

    def _bool(self, depth: int) -> list[str]:
        left, right = self._expression("int", depth), self._expression("int", depth)
        first, second = self._expression("bool", depth), self._expression("bool", depth)
        return [
            *(f"({left} {sign} {right})" for sign in ("==", "!=", "<", "<=", ">", ">=")),
            f"({left} < {right} <= {left})",
            f"({first} and {second})",
            f"({first} or {second})",
            f"(not {first})",
            f"({self._expression('str', depth)} == {self._expression('str', depth)})",
            f"({self._expression('str', depth)} < {self._expression('str', depth)})",
            f"({left} in {self._expression('list[int]', depth)})",
            f"({self._expression('str', depth)} not in {self._expression('dict[str, int]', depth)})",
            f"({self._expression('Money', depth)} <= {self._expression('Money', depth)})",
            f"({self._expression('Span', depth)} > {self._expression('Span', depth)})",
            f"({self._expression('Time', depth)} <= {self._expression('Time', depth)})",
            f"({self._expression('Decimal', depth)} < {self._expression('Decimal', depth)})",
            *(f"({name} is None or {name} > {left})" for name in self.variables.get("int | None", [])),
            *(f"({name} is not None and {name} < {right})" for name in self.variables.get("int | None", [])),
        ]

    def _str(self, depth: int) -> list[str]:
        left, right = self._expression("str", depth), self._expression("str", depth)
        return [
            f"({left} + {right})",
            f"str({self._expression('int', depth)})",
            f"({left})[0:2]",
            f"({left})[-1:]",
            f"str({self._expression('Decimal', depth)})",
            f"({self._expression('Pair', depth)}).text",
        ]

    def _list(self, depth: int) -> list[str]:
        items = self._expression("list[int]", depth)
        number = self._expression("int", depth)
        return [f"[{number}]", f"[{number}, {number}, 4]", f"sorted({items})", f"{items}[1:]"]

    def _dict(self, depth: int) -> list[str]:
        return [f"{{{self._expression('str', depth)}: {self._expression('int', depth)}, 'z': 1}}"]

    def _money(self, depth: int) -> list[str]:
        left, right = self._expression("Money", depth), self._expression("Money", depth)
        number = self._expression("int", depth)
        return [
            f"({left} + {right})",
            f"({left} - {right})",
            f"({left} * {number})",
            f"({number} * {left})",
            f"({left} // {self._divisor(number)})",
            f"RATE.of({left})",
            f"RATE.of({left}, {self._rounding()})",
            f"({self._expression('Decimal', depth)}).of({left}, {self._rounding()})",
            f"({left}).over({self._divisor(number)}, {self._rounding()})",
            f"min({left}, {right})",
            f"max({left}, {right})",
        ]

    def _span(self, depth: int) -> list[str]:
        left, right = self._expression("Span", depth), self._expression("Span", depth)
        number = self._expression("int", depth)
        return [
            f"({left} + {right})",
            f"({left} - {right})",
            f"({left} * {number})",
            f"(-{left})",
            f"({left} // 3)",
        ]
