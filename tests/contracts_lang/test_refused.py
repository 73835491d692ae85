"""Every rule of the checker: the mistake, its place, and what the author is told.

`$` stands right before the place where the mistake is told; it is not part of the source.
"""

from __future__ import annotations

import pytest

from contracts.compiler import check
from tests.contracts_lang.sources import HEADER, members, method

LEXICAL = {
    "tab": ("x = 1$\t+ 2", "indent with spaces"),
    "carriage return": ("x = 1$\r\ny = 2", "end lines with a line feed only"),
    "character beyond ASCII": ("x = $\u00e9", "`\\xe9` is no printable ASCII"),
    "text beyond ASCII": ('x = $"caf\u00e9"', "only printable ASCII"),
    "comment beyond ASCII": ("x = 1  # caf$\u00e9", "no printable ASCII"),
    "continuation": ("x = 1 + $\\\n    2", "put the expression in brackets"),
    "two statements": ("x = 1$; y = 2", "one statement a line"),
    "fraction": ("x = $1.5", "no integer"),
    "hexadecimal": ("x = $0xff", "no integer"),
    "leading zero": ("x = $007", "no integer"),
    "number before a word": ("x = $1if True else 2", "no integer"),
    "integer beyond the range": (f"x = ${2**255}", "larger than 2^255 - 1"),
    "f-string": ('x = $f"{y}"', 'write "text " + str(value)'),
    "raw string": ('x = $r"a"', "strings with the prefix `r`"),
    "unknown escape": ('x = $"\\q"', "`\\q` is no escape"),
    "octal escape": ('x = $"\\0"', "is no escape"),
    "surrogate": ('x = $"\\ud800"', "is no escape"),
    "unicode escape in bytes": ('x = $b"\\u0041"', "is no escape"),
    "high byte in text": ('x = $"\\xff"', "is no escape"),
    "open string": ("x = $'abc", "is not closed on its line"),
    "open documentation": ('$"""abc', 'this """ is never closed'),
    "open bracket": ("x = $(1 + 2", "`(` is never closed"),
    "wrong bracket": ("x = (1 + 2$]", "`(` of line 1 is closed by `]`"),
    "bracket too many": ("x = 1$)", "closes nothing"),
    "division": ("x = 4 $/ 2", "write // (rounded down)"),
    "walrus": ("(x $:= 2)", "assign on a line of its own"),
    "bit operator": ("x = 1 $& 2", "write `and`"),
    "lambda": ("x = $lambda: 1", "write a method"),
    "try": ("$try:\n    pass", "nothing to catch"),
    "assert": ("$assert x", 'write require(condition, "what must hold")'),
    "is": ("x = y $is z", "compare with == or !="),
    "or as a sign": ("x = y $| z", "for a condition write `or`"),
    "async": ("$async def f(self):\n    pass", "a contract runs at once"),
    "dunder": ("x = y.$__class__", "Python's own"),
    "long name": (f"${'n' * 41} = 1", "at most 40 characters"),
    "odd indentation": ("class A(Contract):\n        pass\n    $pass", "indented like no line before"),
}
GRAMMAR = {
    "import": ("$import os", "nothing else can be imported"),
    "missing colon": ("class A(Contract)$\n    pass", "where `:` was expected"),
    "missing block": ("class A(Contract):\n$x = 1", "found `x` where an indented block was expected"),
    "block of one line": ("class A(Contract): $pass", "a block begins on the next line"),
    "unexpected indentation": ("x = 1\n    $y = 2", "it begins no block"),
    "chained assignment": ("x = y $= 1", "where the end of the line was expected"),
    "two targets": ("x$, y = 1", "where the end of the line was expected"),
    "star": ("x = f($*y)", "where a value was expected"),
    "default of a parameter": (
        "class A(Contract):\n    def f(self, x: int $= 1):\n        pass",
        "no default",
    ),
    "loop else": ("for x in y:\n    pass\n$else:\n    pass", "cannot have `else`"),
    "set": ("x = {1$, 2}", "sets are not available"),
    "nested conditional": ("x = 1 if a else 2 $if b else 3", "put brackets around"),
    "power of power": ("x = 2 ** 3 $** 4", "put brackets around"),
    "unary plus": ("x = $+1", "leave out this `+`"),
    "named before positional": ("x = f$(a=1, 2)", "by position come before"),
    "argument twice": ("x = f$(a=1, a=2)", "given twice"),
    "comprehension": ("x = [y $for y in z]", "found `for` where"),
    "assigned sum": ("$x + 1 = 2", "only a variable, self.name or an item"),
    "deleted call": ("del $len('a')", "only a variable, self.name or an item"),
    "annotated attribute": ("$x.y: int = 1", "only a name can be given a type"),
    "documentation in an expression": ('x = $"""a"""', "where a value was expected"),
}
MODULE = {
    "no contract": ("$x = 1", "there is no contract here"),
    "two contracts": ("class A(Contract):\n    pass\n$class B(Contract):\n    pass", "one contract"),
    "unknown module": (
        "$from os import path\nclass A(Contract):\n    pass",
        "only `from contracts import ...`",
    ),
    "unknown name": (
        "from contracts import $path\nclass A(Contract):\n    pass",
        "`contracts` offers no `path`",
    ),
    "other base": (
        "$class B(object):\n    pass\nclass A(Contract):\n    pass",
        "a class is a Contract, an Event",
    ),
    "no base": ("$class B:\n    pass\nclass A(Contract):\n    pass", "a Record or an Interface"),
    "function outside": ("$def f(x):\n    pass\nclass A(Contract):\n    pass", "move this into a method"),
    "constant without value": ("$X: int\nclass A(Contract):\n    pass", "give the constant its value"),
    "constant computed": ("X = $now()\nclass A(Contract):\n    pass", "a constant is made by"),
    "constant of unknown": ("X = $Y + 1\nclass A(Contract):\n    pass", "must be known beforehand"),
    "constant division by zero": ("X = $1 // 0\nclass A(Contract):\n    pass", "divides by zero"),
    "constant overflow": (f"X = $2 * {2**254}\nclass A(Contract):\n    pass", "larger than 2^255"),
    "constant of other type": (
        'X: int = $"a"\nclass A(Contract):\n    pass',
        "this is str, but int is needed",
    ),
    "reserved name": ("$DAY = 1\nclass A(Contract):\n    pass", "has a meaning already"),
    "currency": ('X = $Money(1, "Euro")\nclass A(Contract):\n    pass', "Money(2500"),
    "percent": ('X = Percent($"1.00001")\nclass A(Contract):\n    pass', "at most 4 decimals"),
    "event with a value": ("class E(Event):\n    $x: int = 1\nclass A(Contract):\n    pass", "only fields"),
    "event field twice": (
        "class E(Event):\n    x: int\n    $x: int\nclass A(Contract):\n    pass",
        "there twice",
    ),
    "event of lists": (
        "class E(Event):\n    x: $list[int]\nclass A(Contract):\n    pass",
        "cannot stand here",
    ),
}
MEMBERS = {
    "no type": ("$x = 1", "give `x` a type and a value"),
    "no value": ("$x: int", "give `x` a type and a value"),
    "float": ("x: $float = 1", "there is no float"),
    "unknown type": ("x: $Thing = 1", "this is no type"),
    "bare list": ("x: $list = []", "say what is in the list"),
    "deep list": ("x: list[$list[list[int]]] = []", "nothing deeper"),
    "list of dicts": ("x: list[$dict[str, int]] = []", "nothing deeper"),
    "dict keyed by bool": ("x: dict[$bool, int] = {}", "a key is"),
    "table keyed by Money": ("x: Table[$Money, int] = table()", "a key is"),
    "table of one": ("x: $Table[int] = table()", "Table[Party, int]"),
    "table keyed by three": ("x: Table[$tuple[int, int, int], int] = table()", "of two of them"),
    "wrong initial": ('x: int = $"a"', "this is str, but int is needed"),
    "filled list": ("x: list[int] = $[1]", "starts empty"),
    "capital": ("$Count: int = 0", "seen from outside"),
    "built in": ("$pay: int = 0", "built in already"),
    "twice": ("$count: int = 0", "a stored variable already"),
    "signing oracle": ("x: $Oracle = term(signs=True)", "only a Party or a list[Party] can sign"),
    "signs": ("x: Party = term(signs=$1)", "`signs` is True or False"),
    "term by position": ("x: Party = term($True)", "takes its arguments by name"),
    "term argument": ("x: Party = term(sign=$True)", "has no argument `sign`"),
    "default": ('x: int = term(default=$"a")', "this is str, but int is needed"),
    "default percent": ('x: Percent = term(default=$"100000.00001")', "at most 4 decimals"),
    "fact by nobody": ("x: Time = $fact()", "say which term reports"),
    "fact by unknown": ('x: Time = fact(by=$"postman")', "`postman` is no term"),
    "fact by a price": ('x: Time = fact(by=$"price")', "a Party or Oracle is needed"),
    "age beyond JSON": (
        f'x: Time = fact(by="carrier", max_age=$SECOND * {2**53 // 1000 + 1})',
        "larger than 2^53 - 1 milliseconds",
    ),
    "age of an int": ('x: int = fact(by="carrier", max_age=$DAY)', "only a fact that is a Time"),
    "age of nothing": ('x: Time = fact(by="carrier", max_age=$0 * DAY)', "longer than nothing"),
    "phases again": ('$phase = phases("a")', "declare phases once"),
    "table with argument": ("x: Table[int, int] = table(size=$3)", "has no argument `size`"),
    "statement": ("$require(True, 'x')", "move this into one"),
}
SIGNATURES = {
    "no self": ("$def f():\n    pass", "the first parameter is self"),
    "untyped parameter": ("def f(self, $x):\n    pass", "give `x` a type"),
    "parameter named as a word": ("def f(self, $now: int):\n    pass", "has a meaning already"),
    "parameter twice": ("def f(self, x: int, $x: int):\n    pass", "has a meaning already"),
    "two decorators": ("@action()\n@$action()\ndef f(self):\n    pass", "one decorator"),
    "other decorator": ("@$property\ndef f(self):\n    pass", "an @action, a @query, a @rule"),
    "unknown term": ('@action(by=$"seller")\ndef f(self):\n    pass', "`seller` is no term"),
    "unknown phase": ('@action(phase=("open", $"shut"))\ndef f(self):\n    pass', "`shut` is no phase"),
    "phase not text": ("@action(phase=$1)\ndef f(self):\n    pass", "write a text in quotes"),
    "action returns": ("@action()\n$def f(self) -> int:\n    return 1", "this action returns nothing"),
    "query without result": ("@query\n$def f(self):\n    pass", "say what the query returns"),
    "rule with parameter": (
        "@rule()\n$def f(self, x: int):\n    if True:\n        self.count = 1",
        "no parameters",
    ),
    "report": ("@action()\n$def report(self):\n    pass", "how oracles report"),
    "private name outside": ("@action()\n$def _f(self):\n    pass", "seen from outside"),
    "method twice": ("def f(self):\n    pass\n$def f(self):\n    pass", "a method already"),
    "recursion": ("def f(self):\n    $self.f()", "calls itself again"),
    "mutual recursion": ("def f(self):\n    self.g()\ndef g(self):\n    $self.f()", "calls itself again"),
    "writing query": (
        "@query\n$def f(self) -> int:\n    self.count = 1\n    return 1",
        "a query changes nothing",
    ),
    "query that calls a writer": (
        "@query\n$def f(self) -> int:\n    self.g()\n    return 1\ndef g(self):\n    self.count = 1",
        "a query changes nothing",
    ),
    "sender in a query": ("@query\n$def f(self) -> Party:\n    return sender()", "a query has no sender"),
}
RULES = {
    "not an if": ("$self.count = 1", "begin with `if`"),
    "two ifs": (
        "if self.count > 0:\n    self.count = 0\n$if self.count > 1:\n    self.count = 0",
        "a rule is one `if`",
    ),
    "else": ("if self.count > 0:\n    self.count = 0\n$else:\n    self.count = 1", '"not yet" is not "no"'),
    "inner else on a fact": (
        "if self.count > 0:\n    if self.delivered:\n        self.count = 0\n    $else:\n        pass",
        '"not yet" is not "no"',
    ),
    "no effect": ("if $self.count > 0:\n    x = 1", "changes nothing and would fire for ever"),
    "return": ("if self.count > 0:\n    self.count = 0\n    $return", "leave out `return`"),
    "now computed": (
        "if days_started($now() - self.deadline) > 2:\n    self.count = 0",
        "compare now() directly",
    ),
    "now with an argument": ("if $now(1) > self.deadline:\n    self.count = 0", "compare now() directly"),
    "now equals": ("if $now() == self.deadline:\n    self.count = 0", "compare now() with"),
    "now in a comparison of bools": (
        "if ($now() > self.deadline) == True:\n    self.count = 0",
        "when to look again",
    ),
    "changing condition": (
        "if $self.set():\n    self.count = 0\n\ndef set(self) -> bool:\n    self.count = 1\n    return True",
        "a rule's condition changes nothing",
    ),
    "condition that asks the time": (
        "if $self.over():\n    self.count = 0\n\ndef over(self) -> bool:\n    return now() > self.deadline",
        "this method asks now()",
    ),
}
STATEMENTS = {
    "unknown name": ("x = $y", "`y` is not known here"),
    "member without self": ("x = $count", "write self.count"),
    "method without self": ("$tried()", "write self.tried(...)"),
    "no value yet": ("if self.count > 0:\n    x = 1\ny = $x", "may have no value yet"),
    "no value after a loop": ("for i in range(3):\n    x = i\ny = $x", "may have no value yet"),
    "own value": ("x = $x + 1", "`x` is not known here"),
    "other type": ('x = 1\nx = $"a"', "this is str, but int is needed"),
    "annotated anew": ("x = 1\n$x: str = 'a'", "is int already, and cannot be str"),
    "no value at all": ("$x = self.helper(1)", "this gives no value"),
    "unreachable": ("return\n$self.count = 1", "never reached"),
    "both ways return": (
        "if self.count > 0:\n    return\nelse:\n    return\n$self.count = 1",
        "never reached",
    ),
    "break outside": ("$break", "stands in a loop only"),
    "forgotten": ("$1 + 2", "computes something and forgets it"),
    "unknown member": ("x = $self.size", "the contract has no `size`"),
    "unknown method": ("$self.size()", "the contract has no method `size`"),
    "set a term": ("$self.price = self.price", "a term: it cannot be set"),
    "set a fact": ("$self.weight = 1", "a fact: it cannot be set"),
    "set a table": ("$self.scores = 1", "set an entry"),
    "read a table": ("x = $self.scores", "read an entry"),
    "unknown phase": ('self.phase = $"shut"', "is no phase: open, closed"),
    "computed phase": ("self.phase = $self.note", 'self.phase = "closed"'),
    "compare with no phase": ('x = self.phase == $"shut"', "is no phase"),
    "value of a fact": ("x = $self.weight", "may not be reported yet"),
    "fact of the other branch": (
        "if self.delivered:\n    pass\nelse:\n    x = $self.delivered",
        "may not be reported yet",
    ),
    "fact after or": (
        "if self.delivered or $self.delivered > self.deadline:\n    pass",
        "may not be reported yet",
    ),
    "truth of a number": ("if $self.weight:\n    pass", "write reported(self.weight)"),
    "truth of an int": ("if $self.count:\n    pass", "this is int, not a condition"),
    "reported of a term": ("x = $reported(self.price)", "with a fact of this contract"),
    "add text and int": ('x = $"a" + 1', "write str(...)"),
    "add times": ("x = $self.deadline + self.deadline", "`+` of Time and Time"),
    "money times money": ("x = $self.price * self.price", "`*` of Money and Money"),
    "compare types": ("x = $self.price > 1", "`>` of Money and int"),
    "order of bools": ("x = $True > False", "`>` of bool and bool"),
    "order of parties": ("x = $self.buyer < self.buyer", "`<` of Party and Party"),
    "compare lists": ("x = $self.names == self.names", "`==` of list[str] and list[str]"),
    "chain of money": ("x = self.price < $self.price < self.price", "cannot stand in a chain"),
    "conditional of two types": ('x = $1 if True else "a"', "the two values differ"),
    "empty list": ("x = $[]", "say what the list holds"),
    "empty dict": ("x = ${}", "say what the dict holds"),
    "mixed list": ('x = [1, $"a"]', "a list of int cannot hold str"),
    "dict in a list": ('x = $[{"a": 1}]', "nothing deeper"),
    "index of a number": ("x = $self.count[0]", "int has no items"),
    "slice of a number": ("x = $self.count[0:1]", "int has no parts"),
    "index by text": ('x = self.names[$"a"]', "this is str, but int is needed"),
    "attribute": ("x = $self.note.upper", "str has no `upper`"),
    "method of a value": ("x = $self.note.upper()", "`str.upper()` is not available"),
    "format": ('x = $"{}".format(1)', "`str.format()` is not available"),
    "change a copy": ("$self.names.append('a')", "this is a copy of what is stored"),
    "change an entry's copy": ("$self.lists['a'].append(1)", "this is a copy of what is stored"),
    "set an item of a copy": ("$self.names[0] = 'a'", "this is a copy of what is stored"),
    "delete a variable": ("x = 1\ndel $x", "only the entry of a table"),
    "key of the wrong type": ("self.scores[$1] = 1", "this is int, but Party is needed"),
    "half a key": ("self.pairs[$self.buyer] = 1", "but tuple[Party, str] is needed"),
    "pair elsewhere": ("x = ($1, 2)", "only as the key of a table"),
    "third part of a pair": (
        "for key, value in self.pairs.items(limit=3):\n    x = key[$2]",
        "a pair has the parts [0] and [1]",
    ),
    "table without limit": ("for k, v in $self.scores.items():\n    pass", "say how many entries at most"),
    "table itself": ("for k in $self.scores:\n    pass", "read an entry"),
    "one name for two": ("for $k in self.scores.items(limit=1):\n    pass", "two variables"),
    "two names for one": ("for $k, v in self.names:\n    pass", "one variable"),
    "loop over a number": ("for i in $self.count:\n    pass", "not through int"),
    "range elsewhere": ("x = $range(3)", "stands after `in`"),
    "range with a step": ("for i in $range(1, 9, 2):\n    pass", "range(first, end)"),
    "table method": ("x = $self.scores.keys()", "a table has get(key)"),
    "call an action": ("$self.act()", "is called from outside"),
    "wrong argument": ("self.helper($True)", "this is bool, but int is needed"),
    "too many arguments": ("$self.helper(1, 2)", "takes (x: int)"),
    "named argument": ("$self.helper(x=1)", "by position"),
    "pay an int": ("$self.pay(self.buyer, 1)", "`self.pay()` is not available for Party, int"),
    "currency": ("$self.currency.make(1)", "`self.currency.make()` is not available"),
    "emit a text": ('$emit("Paid")', "with an event class of this module"),
    "event on its own": (
        "x = $Paid(to=self.buyer, amount=self.price)",
        "an event is made where it is emitted",
    ),
    "event field missing": ("emit($Paid(to=self.buyer))", "Paid(to=..., amount=...)"),
    "event by position": ("emit($Paid(self.buyer, self.price))", "Paid(to=..., amount=...)"),
    "event field unknown": (
        "emit(Paid(to=self.buyer, amount=self.price, why=$1))",
        "the event Paid has no field `why`",
    ),
    "event field of another type": (
        "emit(Paid(to=self.buyer, amount=$1))",
        "this is int, but Money is needed",
    ),
    "require without text": ("$require(True)", 'require(condition, "what must hold")'),
    "require a number": ('require($1, "a")', "not a condition"),
    "unknown function": ("x = $open(1)", "there is no function `open`"),
    "eval": ("x = $eval('1')", "there is no function `eval`"),
    "type as function": ('x = $Party("a")', "stands outside of methods only"),
    "arguments of a function": ("x = $len(1)", "`len()` is not available for int"),
    "min of two types": ("x = $min(1, self.price)", "`min()` is not available for int, Money"),
    "none": ("x = $None", "None stands only where"),
    "rebind a constant": ("$GRACE = 1", "has a meaning already"),
    "rebind a function": ("$now = 1", "has a meaning already"),
    "import inside": ("$from contracts import now", "cannot stand in a method"),
    "class inside": ("$class A(Event):\n    pass", "cannot stand in a method"),
    "function inside": ("$def f(self):\n    pass", "cannot stand in a method"),
    "return a value": ("$return 1", "say what the method returns"),
    "list in a list in a list": ("x: list[$list[list[int]]] = []", "nothing deeper"),
}


def refused(marked: str, text: str) -> None:
    before, _, after = marked.partition("$")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    problems = check(before + after)
    assert problems, "this is accepted"
    assert (problems[0].line, problems[0].column) == (line, column), str(problems[0])
    assert text in problems[0].text
    assert len(problems) == 1, [str(problem) for problem in problems]


@pytest.mark.parametrize("name", LEXICAL)
def test_lexical(name: str) -> None:
    refused(*LEXICAL[name])


@pytest.mark.parametrize("name", GRAMMAR)
def test_grammar(name: str) -> None:
    refused(*GRAMMAR[name])


@pytest.mark.parametrize("name", MODULE)
def test_module(name: str) -> None:
    refused(*MODULE[name])


@pytest.mark.parametrize("name", MEMBERS)
def test_members(name: str) -> None:
    source, text = MEMBERS[name]
    refused(members(source), text)


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name: str) -> None:
    source, text = SIGNATURES[name]
    refused(members(source), text)


@pytest.mark.parametrize("name", RULES)
def test_rules(name: str) -> None:
    body, text = RULES[name]
    rule, _, helper = body.partition("\n\n")
    refused(
        method(rule, "@rule()\ndef fires(self) -> None:") + "\n" + members(helper).removeprefix(HEADER), text
    )


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements(name: str) -> None:
    body, text = STATEMENTS[name]
    others = "def helper(self, x: int) -> None:\n    pass\n@action()\ndef act(self) -> None:\n    pass\n"
    refused(method(body) + "\n" + members(others).removeprefix(HEADER), text)
