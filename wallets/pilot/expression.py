"""The arithmetic a pilot script may do: whole numbers, its own parameters, and a few named functions.

Amounts and expected results in a script are expressions such as `pupils * days * price`, so that a script's figures
are closed forms of its parameters and hold for other parameters too. There is no float, no attribute, no call but
the ones listed, and the value of every name and result is bounded. Division is `//`; its remainder is the script's
business, as everywhere: `vat(amount, percent)` gives the broken tiyn to the budget.

    + - * // %   comparisons   and or not   `a if condition else b`
    min max tenge(whole) vat(amount, percent) ceil_div(a, b) total(expression, name, count)
    sample(distribution, i)   sample_uniform("label", i, low, high)   sample_choice("label", i, weight, weight, ...)
    sample_normal("label", i, mean, deviation)   sample_lognormal("label", i, mean, spread_percent)

A sample is a function of the run's seed, its label and i (`wallets.pilot.sampling`): asked again, it is the same.

An expression without `total` is compiled once and then costs about a microsecond for each member of a group. What the
compiled form cannot answer (a name that is not there, a division by zero, a value out of bounds) is asked of the
evaluator below, which alone decides and refuses.

`total(f, i, n)` is the sum of the expression f for i = 0 .. n-1. All the totals of one expression together, one inside
another included, have at most `MAX_COUNT` terms, so that a script cannot keep a machine busy for ever.
"""

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache

from cbdc.errors import Malformed
from cbdc.money import TIYN_PER_TENGE, share
from wallets.pilot import sampling

MAX_LENGTH = 400
MAX_NODES = 200
MAX_VALUE = 2**63
MAX_COUNT = 2_000_000

_BINARY: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _vat(amount_tiyn: int, percent: int) -> int:
    """The tax contained in a price that includes it; a broken tiyn goes to the budget."""
    return share(amount_tiyn, percent, 100 + percent, remainder_to="share")[0]


def _ceil_div(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)


def _sampled(draw: Callable[..., int]) -> Callable[..., int]:
    """The function of a script for a draw: label and seed (see `_labels`) and i come before the draw's own values."""

    def function(label: int, seed: int, number: int, *values: int) -> int:
        return draw(sampling.word(seed, label, number), *values)

    return function


def _sample(names: Mapping[str, int], name: str, number: int) -> int:
    """A draw from a distribution of the script, which stands among the names as `NAME.kind` and `NAME.0`, ..."""
    values = [names[f"{name}.{place}"] for place in range(names[f"{name}.values"])]
    chance = sampling.word(names["seed"], sampling.label_number(name), number)
    return sampling.draw(names[f"{name}.kind"], chance, values)


_FUNCTIONS: dict[str, tuple[int | None, Callable[..., int]]] = {
    "min": (None, lambda *values: min(values)),
    "max": (None, lambda *values: max(values)),
    "tenge": (1, lambda whole: whole * TIYN_PER_TENGE),
    "vat": (2, _vat),
    "ceil_div": (2, _ceil_div),
    "sample_uniform": (5, _sampled(sampling.uniform)),
    "sample_normal": (5, _sampled(sampling.normal)),
    "sample_lognormal": (5, _sampled(sampling.lognormal)),
    "sample_choice": (None, _sampled(sampling.choice)),
}


def evaluate(expression: object, names: Mapping[str, int]) -> int:
    """The value of an expression over `names`; a bare number is itself.

    Raises E_EXPRESSION with what is wrong: something that is neither a number nor a text, unknown names, forbidden
    syntax, division by zero, values out of bounds.
    """
    if isinstance(expression, bool):
        return int(expression)
    if isinstance(expression, int):
        return _bounded(expression, "a number")
    if not isinstance(expression, str):
        raise Malformed("E_EXPRESSION", expression=type(expression).__name__, problem="it must be a text")
    try:
        quick = _compiled(expression)
        if quick is not None:
            try:
                return quick(names)
            except (ArithmeticError, LookupError, TypeError, Malformed):
                pass  # the evaluator says what is wrong
        return _Evaluator(expression, names).value(_parse(expression))
    except ZeroDivisionError:
        raise Malformed("E_EXPRESSION", expression=expression[:80], problem="division by zero") from None
    except (ValueError, TypeError) as error:
        raise Malformed("E_EXPRESSION", expression=expression[:80], problem=str(error)) from None
    except Malformed as error:
        if error.code == "E_EXPRESSION":
            raise
        problem = error.sentence().removesuffix(".")
        raise Malformed("E_EXPRESSION", expression=expression[:80], problem=problem) from None


@lru_cache(maxsize=4_096)
def _parse(expression: str) -> ast.expr:
    if len(expression) > MAX_LENGTH:
        raise Malformed(
            "E_EXPRESSION", expression=expression[:80], problem=f"longer than {MAX_LENGTH} characters"
        )
    try:
        with warnings.catch_warnings():
            # What Python warns of (a number that runs into a word) is not a script's way of writing either.
            warnings.simplefilter("error")
            tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Malformed("E_EXPRESSION", expression=expression[:80], problem="it cannot be read") from None
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise Malformed("E_EXPRESSION", expression=expression[:80], problem=f"more than {MAX_NODES} parts")
    return _labels(tree)


def _labels(tree: ast.expr) -> ast.expr:
    """A sample's label as its number, and behind it the run's seed: what is evaluated then knows whole numbers only."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str() as label), *rest]):
                if name.startswith("sample_"):
                    number = ast.Constant(sampling.label_number(label))
                    node.args = [number, ast.Name("seed", ast.Load()), *rest]
    return tree


class _NotQuick(Exception):
    """A part that only the evaluator may judge."""


Quick = Callable[[Mapping[str, int]], int]


@lru_cache(maxsize=4_096)
def _compiled(expression: str) -> Quick | None:
    """The expression as a function of its names, or None when only the evaluator can answer it."""
    try:
        body = _quick(_parse(expression))
    except _NotQuick:
        return None
    tree = ast.Expression(
        ast.Lambda(
            ast.arguments([], [ast.arg("names")], kwonlyargs=[], kw_defaults=[], defaults=[]), _checked(body)
        )
    )
    code = compile(ast.fix_missing_locations(tree), "<expression>", "eval")
    scope = {"__builtins__": {}, "_vat": _vat, "_large": _large, "min": min, "max": max, "_sample": _sample}
    scope |= {name: function for name, (_, function) in _FUNCTIONS.items() if name.startswith("sample_")}
    # Made of the few nodes that `_quick` builds, and nothing of the script but whole numbers and quoted names.
    quick: Quick = eval(code, scope)  # noqa: S307
    return quick


def _large() -> int:
    raise OverflowError


def _quick(node: ast.expr) -> ast.expr:
    """The node as Python's own, with the bounds and the truth values of the evaluator; _NotQuick for any other."""
    match node:
        case ast.Constant(value=bool() | int() as constant) if constant <= MAX_VALUE:
            return ast.Constant(int(constant))
        case ast.Name(id=name):
            return _checked(ast.Subscript(ast.Name("names", ast.Load()), ast.Constant(name), ast.Load()))
        case ast.BinOp(op=ast.FloorDiv() | ast.Mod() as op):
            return ast.BinOp(_quick(node.left), op, _quick(node.right))
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() as op):
            return _checked(ast.BinOp(_quick(node.left), op, _quick(node.right)))
        case ast.UnaryOp(op=ast.USub() as op):
            return ast.UnaryOp(op, _quick(node.operand))
        case ast.UnaryOp(op=ast.Not()):
            return ast.IfExp(_quick(node.operand), ast.Constant(0), ast.Constant(1))
        case ast.BoolOp(op=op, values=values):
            return _truth(ast.BoolOp(op, [_quick(value) for value in values]))
        case ast.Compare(ops=ops) if all(type(op) in _COMPARE for op in ops):
            return _truth(ast.Compare(_quick(node.left), ops, [_quick(right) for right in node.comparators]))
        case ast.IfExp():
            return ast.IfExp(_quick(node.test), _quick(node.body), _quick(node.orelse))
        case ast.Call(func=ast.Name(id="sample"), args=[ast.Name(id=name), number], keywords=[]):
            drawn = [ast.Name("names", ast.Load()), ast.Constant(name), _quick(number)]
            return _checked(ast.Call(ast.Name("_sample", ast.Load()), drawn, []))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments, keywords=[]):
            return _quick_call(name, [_quick(argument) for argument in arguments])
    raise _NotQuick


def _quick_call(name: str, arguments: list[ast.expr]) -> ast.expr:
    match name, arguments:
        case (("min" | "max"), [only]):
            return only
        case (("min" | "max"), _):
            return ast.Call(ast.Name(name, ast.Load()), arguments, [])
        case "tenge", [whole]:
            return _checked(ast.BinOp(whole, ast.Mult(), ast.Constant(TIYN_PER_TENGE)))
        case "ceil_div", [dividend, divisor]:
            return ast.UnaryOp(
                ast.USub(), ast.BinOp(ast.UnaryOp(ast.USub(), dividend), ast.FloorDiv(), divisor)
            )
        case "vat", [amount, percent]:
            return _checked(ast.Call(ast.Name("_vat", ast.Load()), [amount, percent], []))
        case _ if name.startswith("sample_") and _FUNCTIONS.get(name, (0,))[0] in {None, len(arguments)}:
            return _checked(ast.Call(ast.Name(name, ast.Load()), arguments, []))
    raise _NotQuick


def _truth(node: ast.expr) -> ast.expr:
    return ast.IfExp(node, ast.Constant(1), ast.Constant(0))


def _checked(node: ast.expr) -> ast.expr:
    """The value of the node, or `_large()` when it is out of bounds."""
    kept = ast.NamedExpr(ast.Name("_value", ast.Store()), node)
    inside = ast.Compare(ast.Constant(-MAX_VALUE), [ast.LtE(), ast.LtE()], [kept, ast.Constant(MAX_VALUE)])
    return ast.IfExp(inside, ast.Name("_value", ast.Load()), ast.Call(ast.Name("_large", ast.Load()), [], []))


def _bounded(value: int, expression: str) -> int:
    if abs(value) > MAX_VALUE:
        raise Malformed("E_EXPRESSION", expression=expression[:80], problem="the value is too large")
    return value


class _Evaluator:
    def __init__(self, expression: str, names: Mapping[str, int]) -> None:
        self._expression = expression
        self._names = dict(names)
        self._terms = 0

    def _wrong(self, problem: str) -> Malformed:
        return Malformed("E_EXPRESSION", expression=self._expression[:80], problem=problem)

    def value(self, node: ast.expr) -> int:
        match node:
            case ast.Constant(value=bool() | int() as constant):
                result = int(constant)
            case ast.Name(id=name):
                result = self._name(name)
            case ast.BinOp(op=op) if type(op) in _BINARY:
                result = _BINARY[type(op)](self.value(node.left), self.value(node.right))
            case ast.UnaryOp(op=ast.USub()):
                result = -self.value(node.operand)
            case ast.UnaryOp(op=ast.Not()):
                result = int(not self.value(node.operand))
            case ast.BoolOp(op=op, values=values):
                result = self._logic(isinstance(op, ast.And), values)
            case ast.Compare():
                result = self._compare(node)
            case ast.IfExp():
                result = self.value(node.body if self.value(node.test) else node.orelse)
            case ast.Call(func=ast.Name(id="total"), args=[term, ast.Name(id=name), count], keywords=[]):
                result = self._total(term, name, self.value(count))
            case ast.Call(func=ast.Name(id="sample"), args=[ast.Name(id=name), number], keywords=[]):
                result = self._sample(name, self.value(number))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                result = self._call(name, [self.value(argument) for argument in arguments])
            case _:
                raise self._wrong(f"{type(node).__name__} is not allowed")
        return _bounded(result, self._expression)

    def _name(self, name: str) -> int:
        if name not in self._names:
            known = ", ".join(sorted(known for known in self._names if "." not in known)) or "none"
            raise self._wrong(f"{name} is not known here (known: {known})")
        return self._names[name]

    def _logic(self, every: bool, values: list[ast.expr]) -> int:
        for value in values:
            if bool(self.value(value)) is not every:
                return int(not every)
        return int(every)

    def _compare(self, node: ast.Compare) -> int:
        left = self.value(node.left)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            compare = _COMPARE.get(type(op))
            if compare is None:
                raise self._wrong(f"{type(op).__name__} is not allowed")
            right = self.value(right_node)
            if not compare(left, right):
                return 0
            left = right
        return 1

    def _total(self, term: ast.expr, name: str, count: int) -> int:
        self._terms += count
        if count < 0 or self._terms > MAX_COUNT:
            raise self._wrong(f"total over {count} terms; {MAX_COUNT} are allowed in all")
        total, outside = 0, self._names
        self._names = inside = dict(outside)
        text = ast.unparse(term) if count > 1_000 else ""
        quick = _compiled(text) if 0 < len(text) <= MAX_LENGTH else None
        for number in range(count):
            inside[name] = number
            try:
                total += quick(inside) if quick else self.value(term)
            except (ArithmeticError, LookupError, TypeError, Malformed):
                total += self.value(term)
        self._names = outside
        return total

    def _sample(self, name: str, number: int) -> int:
        if f"{name}.kind" not in self._names:
            raise self._wrong(f"there is no distribution {name}")
        self._name("seed")
        return _sample(self._names, name, number)

    def _call(self, name: str, arguments: list[int]) -> int:
        if name not in _FUNCTIONS:
            raise self._wrong(f"there is no function {name}")
        arity, function = _FUNCTIONS[name]
        if len(arguments) != arity if arity is not None else not arguments:
            raise self._wrong(f"{name} got {len(arguments)} values")
        return function(*arguments)
