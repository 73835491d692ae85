"""Tokens to statements. Expressions are read by `contracts.language.expression_parser`.

The grammar is a subset of Python's: whatever is accepted here means the same to Python. The first error
ends the reading, as what follows it can only be guessed.
"""

from __future__ import annotations

from collections.abc import Callable

from contracts.language import syntax
from contracts.language.expression_parser import ExpressionParser
from contracts.language.lexer import DEDENT, DOCUMENTATION, END, INDENT, NEWLINE, tokenize
from contracts.language.limits import BRANCHES_MAX, PARAMETERS_MAX
from contracts.language.problems import Place, refuse

_ASSIGNMENTS = ("=", "+=", "-=", "*=", "//=", "%=")


def parse(source: str) -> syntax.Block:
    """The statements of a source. Raises: ContractError."""
    parser = _Parser(tokenize(source), source)
    statements = []
    while parser.token.kind != END:
        statements.append(parser.statement())
    return tuple(statements)


class _Parser(ExpressionParser):
    def statement(self) -> syntax.Statement:
        if self.token.kind == INDENT:
            raise refuse(self.token.place, "this line is indented, but it begins no block")
        if self.token.text == "@":
            return self._function()
        compound = self._compound().get(self.token.text)
        return compound() if compound else self._simple_line()

    def _compound(self) -> dict[str, Callable[[], syntax.Statement]]:
        return {
            "if": self._if,
            "for": self._for,
            "while": self._while,
            "def": self._function,
            "class": self._class,
        }

    def _simple_line(self) -> syntax.Statement:
        statement = self._simple()
        if self.token.kind != NEWLINE:
            raise self.unexpected("the end of the line")
        self.advance()
        return statement

    def _simple(self) -> syntax.Statement:
        first, place, word = self.index, self.token.place, self.token.text
        if self.token.kind == DOCUMENTATION:
            return syntax.Documentation(place, "", str(self.advance().value))
        if word in ("break", "continue", "pass"):
            self.advance()
            kinds = {"break": syntax.Break, "continue": syntax.Continue, "pass": syntax.Pass}
            return kinds[word](place, word)
        if word == "return":
            self.advance()
            value = None if self.token.kind == NEWLINE else self.expression()
            return syntax.Return(place, self.text_since(first), value)
        if word == "del":
            self.advance()
            target = self.expression()
            self._check_target(target)
            return syntax.Delete(place, self.text_since(first), target)
        if word == "from":
            return self._import()
        if word == "import":
            raise refuse(place, "write `from contracts import ...`; nothing else can be imported")
        return self._assign_or_evaluate()

    def _assign_or_evaluate(self) -> syntax.Statement:
        first, place = self.index, self.token.place
        target = self.expression()
        annotation = None
        if self.accept(":"):
            annotation = self.annotation()
            if not isinstance(target, syntax.Name):
                raise refuse(place, "only a name can be given a type")
        if self.token.text in _ASSIGNMENTS and not (annotation and self.token.text != "="):
            self._check_target(target)
            sign = self.advance().text
            value = self.expression()
            return syntax.Assign(place, self.text_since(first), target, annotation, sign, value)
        if annotation:
            return syntax.Assign(place, self.text_since(first), target, annotation, "=", None)
        if isinstance(target, syntax.Literal) and isinstance(target.value, str):
            return syntax.Documentation(place, "", target.value)
        return syntax.Evaluate(place, self.text_since(first), target)

    def _check_target(self, target: syntax.Expression) -> None:
        if not isinstance(target, syntax.Name | syntax.Attribute | syntax.Subscript):
            raise refuse(target.place, "only a variable, self.name or an item can be set, one at a time")

    def _import(self) -> syntax.Import:
        first, place = self.index, self.advance().place
        module = self.name("the name of a module").name
        while self.accept("."):
            module += "." + self.name("the name of a module").name
        self.expect("import")
        in_brackets = self.accept("(")
        names = [self.name("a name to import")]
        while self.accept(",") and self.token.text != ")":
            names.append(self.name("a name to import"))
        if in_brackets:
            self.expect(")")
        return syntax.Import(place, self.text_since(first), module, tuple(names))

    def _block(self) -> syntax.Block:
        self.expect(":")
        if self.token.kind != NEWLINE:
            raise self.unexpected("the end of the line: a block begins on the next line")
        self.advance()
        if self.token.kind != INDENT:
            raise self.unexpected("an indented block")
        self.advance()
        statements = [self.statement()]
        while self.token.kind != DEDENT:
            statements.append(self.statement())
        self.advance()
        return tuple(statements)

    def _header_and(self, first: int, last: int, body: syntax.Block) -> str:
        inner = "; ".join(statement.text for statement in body if statement.text)
        return f"{self.text_of(first, last)}: {inner}"

    def _if(self) -> syntax.If:
        place = self.token.place
        tests: list[syntax.Test] = []
        texts: list[str] = []
        otherwise, otherwise_place = None, place
        while self.token.text in ("if", "elif"):
            if self.token.text == "if" and tests:
                break
            first = self.index
            if len(tests) == BRANCHES_MAX:
                raise refuse(self.token.place, f"an `if` has at most {BRANCHES_MAX} branches")
            self.advance()
            condition = self.expression()
            last = self.index
            body = self._block()
            tests.append(syntax.Test(condition, self.text_of(first + 1, last), body))
            texts.append(self._header_and(first, last, body))
        if self.token.text == "else":
            first, otherwise_place = self.index, self.advance().place
            otherwise = self._block()
            texts.append(self._header_and(first, first + 1, otherwise))
        return syntax.If(place, " ".join(texts), tuple(tests), otherwise, otherwise_place)

    def _for(self) -> syntax.For:
        first, place = self.index, self.advance().place
        names = [self.name("the name of a loop variable")]
        while self.accept(","):
            names.append(self.name("the name of a loop variable"))
        self.expect("in")
        iterable = self.expression()
        last = self.index
        body = self._block()
        self._refuse_else(place)
        return syntax.For(place, self._header_and(first, last, body), tuple(names), iterable, body)

    def _while(self) -> syntax.While:
        first, place = self.index, self.advance().place
        condition = self.expression()
        last = self.index
        body = self._block()
        self._refuse_else(place)
        return syntax.While(place, self._header_and(first, last, body), condition, body)

    def _refuse_else(self, loop: Place) -> None:
        if self.token.text == "else":
            raise refuse(self.token.place, f"the loop of line {loop.line} cannot have `else`: use a variable")

    def _function(self) -> syntax.Function:
        decorators = []
        while self.accept("@"):
            decorators.append(self.expression())
            if self.token.kind != NEWLINE:
                raise self.unexpected("the end of the line")
            self.advance()
        place = self.token.place
        self.expect("def")
        name = self.name("the name of the method").name
        self.expect("(")
        parameters = self.listed(")", self._parameter, PARAMETERS_MAX + 1, "parameters")
        returns = self.annotation() if self.accept("->") else None
        return syntax.Function(place, "", name, tuple(decorators), parameters, returns, self._block())

    def _parameter(self) -> syntax.Parameter:
        name = self.name("the name of a parameter")
        annotation = self.annotation() if self.accept(":") else None
        if self.token.text == "=":
            raise refuse(self.token.place, "parameters have no default: every caller says what it means")
        return syntax.Parameter(name.place, name.name, annotation)

    def _class(self) -> syntax.Class:
        place = self.advance().place
        name = self.name("the name of the class").name
        bases: tuple[syntax.Name, ...] = ()
        if self.accept("("):
            bases = self.listed(")", lambda: self.name("the name of a base class"), 2, "bases")
        return syntax.Class(place, "", name, bases, self._block())
