"""Parser: the grammar of expressions, read into a frozen tree.

From the loosest to the tightest: `or |`, `and &`, `not`, comparisons (chained too) and `in`,
`+ -`, `* /`, unary `- + ~`, `**`, brackets and calls. Names stand for columns or parameters;
backticks hold those that are no plain word. There are no attributes, no indices and no
assignments, so an expression can do nothing but be computed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn, cast

from bayescale.base.errors import BayescaleError
from bayescale.base.expression.nodes import (
    Arithmetic,
    Call,
    Comparison,
    Constant,
    Logic,
    Member,
    Missing,
    Name,
    Negation,
    Negative,
    Node,
    Number,
    Power,
    Sort,
    Text,
    Truth,
)
from bayescale.base.text import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

# Bounds on what is read, so that a hostile text costs no more than an honest one.
_MOST_CHARACTERS = 20_000
_MOST_DIGITS = 40
_DEEPEST = 30
_LARGEST_EXPONENT = 1000

# Name of a function to the fewest and the most arguments that it takes.
FUNCTIONS: dict[str, tuple[int, float]] = {
    "abs": (1, 1),
    "exp": (1, 1),
    "log": (1, 1),
    "max": (2, math.inf),
    "min": (2, math.inf),
    "sqrt": (1, 1),
}
_MISSING = ("isnull", "notnull")


class ExpressionError(BayescaleError):
    """An expression that breaks the grammar, or does not fit what it is applied to."""


def fail(text: str, place: int, problem: str) -> NoReturn:
    """Raise an `ExpressionError` that quotes the expression around the place of the problem."""
    start, end = max(0, place - 40), place + 40
    quoted = f"{'...' * (start > 0)}{escaped(text[start:end])}{'...' * (end < len(text))}"
    raise ExpressionError(f"{problem}, at character {place + 1} of '{quoted}'")


type _Kind = Literal["number", "text", "name", "quoted_name", "symbol", "end"]


class _Token(NamedTuple):
    kind: _Kind
    text: str
    place: int


_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>[^\W\d]\w*)
    |(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<quoted_name>`[^`]*`)
    |(?P<symbol>\*\*|==|!=|<=|>=|[-+*/<>&|~()\[\],])
    )""",
    re.VERBOSE | re.DOTALL,
)

# What people write in other languages, and how it is written here.
_HINTS = {
    "=": "write == to compare",
    "!": "write not, or != to compare",
    "@": "there are no variables of Python; write the value itself",
    ".": "there are no methods; a column with a dot in its name is written in backticks",
    "'": "the quote is not closed",
    '"': "the quote is not closed",
    "`": "the backtick is not closed",
    "%": "there is no remainder",
    "^": "write ** for a power",
}


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    place = 0
    while (match := _TOKEN.match(text, place)) is not None:
        kind = cast(_Kind, match.lastgroup)
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        place = match.end()
        if kind == "number" and (text[place : place + 1].isalnum() or text.startswith(".", place)):
            fail(text, match.start(kind), "a number ends in a letter or a dot; write it like 70e9")
    end = len(text.rstrip())
    if place < end:
        place += len(text[place:]) - len(text[place:].lstrip())
        hint = _HINTS.get(text[place], "it is not part of an expression")
        fail(text, place, f"unexpected {escaped(text[place])}: {hint}")
    return [*tokens, _Token("end", "", end)]


class Parser:
    """A recursive-descent parser of one expression.

    Attributes
    ----------
    names : dict
        Each name in the expression, and the place where it stands first.
    """

    def __init__(self, text: str) -> None:
        if len(text) > _MOST_CHARACTERS:
            raise ExpressionError(
                f"an expression of {len(text):,} characters; at most {_MOST_CHARACTERS:,}"
            )
        self.text = text
        self.names: dict[str, int] = {}
        self._tokens = _tokens(text)
        self._position = 0
        self._depth = 0

    def parse(self) -> Node:
        """The whole expression.

        Raises
        ------
        ExpressionError
            If it breaks the grammar or exceeds its bounds.
        """
        if self._next().kind == "end":
            self.fail(0, "the expression is empty")
        node = self._any_of()
        if self._next().kind != "end":
            self._unexpected()
        return node

    def fail(self, place: int, problem: str) -> NoReturn:
        """Raise an `ExpressionError` that quotes the expression."""
        fail(self.text, place, problem)

    def _next(self) -> _Token:
        return self._tokens[self._position]

    def _take(self, *symbols: str) -> _Token | None:
        """The next token, if it is one of these symbols or words."""
        token = self._next()
        if token.kind in ("symbol", "name") and token.text in symbols:
            self._position += 1
            return token
        return None

    def _unexpected(self) -> NoReturn:
        token = self._next()
        if token.kind == "end":
            self.fail(token.place, "the expression ends too early")
        self.fail(token.place, f"unexpected {escaped(token.text[:40])}")

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > _DEEPEST:
            self.fail(self._next().place, f"brackets and signs nest more than {_DEEPEST} deep")
        yield
        self._depth -= 1

    def _require(self, node: Node, *sorts: Sort) -> Node:
        if node.sort not in (*sorts, "any"):
            self.fail(node.place, f"a {node.sort} where a {' or '.join(sorts)} is needed")
        return node

    def _any_of(self) -> Node:
        return self._joined("or", self._all_of, "or", "|")

    def _all_of(self) -> Node:
        return self._joined("and", self._negation, "and", "&")

    def _joined(
        self, operator: Literal["and", "or"], part: Callable[[], Node], *symbols: str
    ) -> Node:
        operands = [part()]
        while self._take(*symbols):
            operands.append(part())
        if len(operands) == 1:
            return operands[0]
        for operand in operands:
            self._require(operand, "condition")
        return Logic(operands[0].place, operator, tuple(operands))

    def _negation(self) -> Node:
        token = self._take("not")
        if token is None:
            return self._comparison()
        with self._deeper():
            return Negation(token.place, self._require(self._negation(), "condition"))

    def _comparison(self) -> Node:
        first = self._sum()
        negated = self._next().text == "not" and self._tokens[self._position + 1].text == "in"
        if negated:
            self._take("not")
        if self._take("in"):
            operand = self._require(first, "number", "text")
            return Member(first.place, operand, self._items(), negated)
        rest = []
        while operator := self._take("==", "!=", "<", "<=", ">", ">="):
            rest.append((operator.text, self._sum()))
        if not rest:
            return first
        left = first
        for symbol, right in rest:
            if symbol not in ("==", "!="):
                self._require(left, "number", "text")
                self._require(right, "number", "text")
            left = right
        return Comparison(first.place, first, tuple(rest))

    def _items(self) -> tuple[Constant, ...]:
        opening = self._take("(", "[")
        if opening is None:
            self.fail(self._next().place, "in needs a list in brackets, as in x in ('a', 'b')")
        closing = ")" if opening.text == "(" else "]"
        items: list[Constant] = []
        while not self._take(closing):
            if items and not self._take(","):
                self._unexpected()
            if items and self._take(closing):  # a comma after the last item, as Python has it
                break
            items.append(self._item())
        if not items:
            self.fail(opening.place, "the list is empty")
        return tuple(items)

    def _item(self) -> Constant:
        place, sign = self._next().place, -1 if self._take("-") else 1
        node = self._atom()
        if isinstance(node, Number):
            return sign * node.value
        if isinstance(node, Text | Truth) and sign == 1:
            return node.value
        self.fail(place, "a list holds numbers, text in quotes, true and false")

    def _sum(self) -> Node:
        return self._arithmetic(self._product, "+", "-")

    def _product(self) -> Node:
        return self._arithmetic(self._signed, "*", "/")

    def _arithmetic(self, part: Callable[[], Node], *symbols: str) -> Node:
        first, rest = part(), []
        while operator := self._take(*symbols):
            rest.append((operator.text, self._require(part(), "number")))
        if not rest:
            return first
        return Arithmetic(first.place, self._require(first, "number"), tuple(rest))

    def _signed(self) -> Node:
        sign = self._take("-", "+", "~")
        if sign is None:
            return self._power()
        with self._deeper():
            operand = self._signed()
        if sign.text == "~":
            return Negation(sign.place, self._require(operand, "condition"))
        operand = self._require(operand, "number")
        return operand if sign.text == "+" else Negative(sign.place, operand)

    def _power(self) -> Node:
        base = self._atom()
        if not self._take("**"):
            return base
        with self._deeper():
            exponent = self._require(self._signed(), "number")
        if isinstance(exponent, Number) and exponent.value > _LARGEST_EXPONENT:
            self.fail(exponent.place, f"an exponent above {_LARGEST_EXPONENT:,}")
        return Power(base.place, self._require(base, "number"), exponent)

    def _atom(self) -> Node:
        token = self._next()
        match token.kind:
            case "number":
                self._position += 1
                return Number(token.place, self._number(token))
            case "text":
                self._position += 1
                return Text(token.place, re.sub(r"\\([\\'\"])", r"\1", token.text[1:-1]))
            case "quoted_name":
                self._position += 1
                return self._named(token.text[1:-1], token.place)
            case "name" if token.text not in ("and", "or", "not", "in"):
                self._position += 1
                return self._word(token)
        if opening := self._take("("):
            with self._deeper():
                inside = self._any_of()
            if not self._take(")"):
                if self._next().kind == "end":
                    self.fail(opening.place, "the bracket is not closed")
                self._unexpected()
            return inside
        self._unexpected()

    def _word(self, token: _Token) -> Node:
        if self._take("("):
            return self._call(token)
        if token.text in ("true", "false", "True", "False"):
            return Truth(token.place, token.text.lower() == "true")
        return self._named(token.text, token.place)

    def _named(self, name: str, place: int) -> Name:
        self.names.setdefault(name, place)
        return Name(place, name)

    def _call(self, token: _Token) -> Node:
        name, arguments = token.text, []
        if name not in FUNCTIONS and name not in _MISSING:
            known = ", ".join([*FUNCTIONS, *_MISSING])
            self.fail(token.place, f"there is no function {name}; use one of {known}")
        with self._deeper():
            arguments.append(self._sum())
            while self._take(","):
                arguments.append(self._sum())
        if not self._take(")"):
            self._unexpected()
        least, most = FUNCTIONS.get(name, (1, 1))
        if not least <= len(arguments) <= most:
            number = f"{least}" if least == most else f"{least} or more"
            self.fail(token.place, f"{name} takes {number} arguments, not {len(arguments)}")
        if name in _MISSING:
            operand = self._require(arguments[0], "number", "text")
            return Missing(token.place, operand, negated=name == "notnull")
        for argument in arguments:
            self._require(argument, "number")
        return Call(token.place, name, tuple(arguments))

    def _number(self, token: _Token) -> float | int:
        if len(token.text) > _MOST_DIGITS:
            self.fail(token.place, f"a number of {len(token.text)} digits; at most {_MOST_DIGITS}")
        digits = token.text.replace("_", "")
        value: float | int = int(digits) if digits.isdecimal() else float(digits)
        if not math.isfinite(value):
            self.fail(token.place, f"{token.text} is too large for a number")
        return value
