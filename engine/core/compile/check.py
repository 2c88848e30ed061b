"""Finds the mistakes in a user's function before numba does, and says each in one sentence.

Refused are also things that do compile but mean something else compiled than interpreted: a power
(`x ** 2` differs in the last bit), numpy's sums (added in another order), a float stored in a whole
number's field (cut off in silence), writing to what is shared.
"""

import ast
import builtins
import inspect
import linecache
import re
import textwrap
import types
from collections.abc import Iterator
from typing import Any

from engine.core.compile.cache import globals_of
from engine.core.compile.declare import Part, Strategy
from engine.core.compile.record import Record, names, place, where
from engine.core.levels import Levels
from engine.core.records import Bar, Intent, Out, View
from engine.errors import ConfigError, did_you_mean

_ARRAY_METHODS = ("sum", "mean", "std", "var", "dot")
_WRITABLE = {"intent": ("measured", "limit")}
_SAID_OF_LEVELS = ("position", "entry", "status", "filled")
_CALLABLE_IN_CODE = (
    "abs",
    "bool",
    "float",
    "int",
    "len",
    "max",
    "min",
    "range",
    "round",
    "enumerate",
    "zip",
)


def check(part: type[Part]) -> None:
    """Raise ConfigError with every mistake that the text of a class's function shows."""
    function: Any = part.function()
    tree = _tree(function)
    if tree is None:
        return
    problems = list(_Reader(part, function, tree).problems())
    for helper in _helpers(function):
        text = _tree(helper)
        if text is not None and part.compiled:
            problems += _Arithmetic(helper, helper.__name__, text).problems()
    if problems:
        raise ConfigError(*problems)


def writes(part: type[Part], field: str) -> bool:
    """Return whether a strategy may set a field of `out`, as far as its text tells.

    One that does not: neither `step` nor what it calls has an assignment to that field.
    """
    if not part.compiled:
        return True
    for function in (part.function(), *_helpers(part.function())):
        tree = _tree(function)
        nodes = ast.walk(tree) if tree else ()
        if tree is None or any(
            isinstance(node, ast.Attribute)
            and node.attr == field
            and isinstance(node.ctx, ast.Store)
            for node in nodes
        ):
            return True
    return False


def _tree(function: Any) -> ast.FunctionDef | None:
    """Return the parsed definition with the file's own line numbers, or None without a source."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return None
    tree = ast.parse(textwrap.dedent("".join(lines)))
    ast.increment_lineno(tree, first - 1)
    found = tree.body[0]
    return found if isinstance(found, ast.FunctionDef) else None


def _helpers(function: Any) -> Iterator[types.FunctionType]:
    """Yield the plain functions that a function reaches by name, without the library's own."""
    seen, todo = {function}, [function]
    while todo:
        code = todo.pop()
        for name in dict.fromkeys(globals_of(code.__code__)):
            value = code.__globals__.get(name)
            if isinstance(value, types.FunctionType) and value not in seen:
                seen.add(value)
                todo.append(value)
                yield value


class _Arithmetic:
    """What is refused in every function that is compiled."""

    def __init__(self, function: Any, title: str, tree: ast.FunctionDef) -> None:
        self.file = where(function).rsplit(":", 1)[0]
        self.function = function
        self.title = title
        self.tree = tree

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each mistake, in the order of the text."""
        for node in ast.walk(self.tree):
            for sentence in self.arithmetic(node):
                yield self.say(node, sentence)

    def say(self, node: Any, sentence: str) -> str:
        """Return the sentence with its place."""
        return f"{self.file}:{node.lineno}: {self.title}: {sentence}"

    def arithmetic(self, node: ast.AST) -> Iterator[str]:
        """Yield what a node does that compiled and interpreted code do differently."""
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow):
            yield "uses **, whose last bit depends on the compiler. Write x * x or math.sqrt(x)."
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            library, name = node.value.id, node.attr
            if library in ("np", "numpy"):
                yield (
                    f"uses {library}.{name}, which rounds differently when compiled. Write it with"
                    " math or with the functions of engine.core.indicators."
                )
            if (library, name) == ("math", "hypot"):
                yield "uses math.hypot, whose last bit depends on the compiler. Use math.sqrt."
        method = node.func if isinstance(node, ast.Call) else None
        if isinstance(method, ast.Attribute) and method.attr in _ARRAY_METHODS:
            yield (
                f"calls .{method.attr}(), which adds in another order when compiled."
                " Use the functions of engine.core.indicators."
            )


class _Reader(_Arithmetic):
    """What is refused in a step or a check."""

    def __init__(self, part: type[Part], function: Any, tree: ast.FunctionDef) -> None:
        super().__init__(function, f"{part.__name__}.{part.entry}", tree)
        given, taken = (Bar, Out) if issubclass(part, Strategy) else (View, Intent)
        records: tuple[type[Record], ...] = (part.Params, part.StateRecord, given, taken)
        self.part = part
        self.arguments = [argument.arg for argument in tree.args.args]
        self.shape = ("p", "s", *part.arguments)
        self.records = dict(zip(self.arguments, records, strict=False))
        self.paths = {name: [role] for name, role in zip(self.arguments, self.shape, strict=False)}
        if not part.compiled and self.arguments:
            del self.records[self.arguments[0]]  # p is the object itself
        for name, value in _named_once(tree):  # levels = s.levels
            record = self.record(value)
            if record is not None and name not in self.records:
                self.records[name] = record
                self.paths[name] = self.path(value)

    def problems(self) -> Iterator[str]:
        if len(self.arguments) != 4:
            yield self.say(
                self.tree,
                f"must take {len(self.shape)} arguments ({', '.join(self.shape)}), was"
                f" {len(self.arguments)}. Write def {self.part.entry}({', '.join(self.shape)}).",
            )
            return
        for node in sorted(ast.walk(self.tree), key=lambda node: getattr(node, "lineno", 0)):
            sentences = list(self.names(node))
            if self.part.compiled:
                sentences += [*self.arithmetic(node), *self.nothing(node)]
            for sentence in sentences:
                yield self.say(node, sentence)

    def names(self, node: ast.AST) -> Iterator[str]:
        """Yield what a node names that does not exist or may not be written."""
        if isinstance(node, ast.Attribute):
            yield from self.field(node, ast.unparse(node.value), node.attr)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            if not hasattr(builtins, name) and not self.defines(name):
                known = [*self.function.__globals__, *_CALLABLE_IN_CODE]
                near = did_you_mean(name, known) or "."
                yield f"calls {name}(), which is not defined here{near} Define or import it."
        if isinstance(node, ast.Assign | ast.AugAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Attribute):
                yield from self.number(target, node.value, isinstance(node, ast.AugAssign))
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            yield from self.row(node.value)

    def number(self, target: ast.Attribute, value: ast.expr, adds: bool) -> Iterator[str]:
        """Yield where a text is given to a field, or to `out.tag` a number that has no text."""
        given = value.value if isinstance(value, ast.Constant) else None
        if isinstance(value, ast.Name) and value.id not in self.function.__code__.co_varnames:
            given = self.function.__globals__.get(value.id)
        text = ast.unparse(target)
        if isinstance(given, str):
            yield (
                f"assigns the text {given!r} to {text}, which is a number. Keep texts in the class"
                " attribute tags, and assign their number."
            )
        tags = self.part.tags if issubclass(self.part, Strategy) else {}
        is_tag = not adds and self.path(target) == ["out", "tag"]
        if is_tag and type(given) is int and given != 0 and given not in tags:
            yield f"gives {text} the number {given}, which has no text. Add it to the class's tags."

    def nothing(self, node: ast.AST) -> Iterator[str]:
        """Yield where a node stores None, which compiled code would take for a number."""
        if isinstance(node, ast.Assign) and ast.unparse(node.value) == "None":
            text = ast.unparse(node.targets[0])
            yield f"assigns None to {text}, which compiled code cannot hold. Use a number."

    def defines(self, name: str) -> bool:
        """Return whether a name is a global, a closure or a local of the function."""
        code = self.function.__code__
        return name in self.function.__globals__ or name in code.co_varnames + code.co_freevars

    def record(self, node: ast.expr) -> type[Record] | None:
        """Return the record that an argument, or a field of one, is; None for all else."""
        if isinstance(node, ast.Name):
            return self.records.get(node.id)
        owner = self.record(node.value) if isinstance(node, ast.Attribute) else None
        fields = {name: kind for name, kind, *_ in owner._fields_} if owner else {}
        field = fields.get(getattr(node, "attr", ""))
        return field if field is not None and issubclass(field, Record) else None

    def path(self, node: ast.expr) -> list[str]:
        """Return the names from the role of an argument on, such as s, levels, price."""
        first, *inner = ast.unparse(node).split(".")
        return [*self.paths.get(first, [first]), *inner]

    def field(self, node: ast.Attribute, owner: str, name: str) -> Iterator[str]:
        """Yield what is wrong with reading or writing `owner.name`."""
        record = self.record(node.value)
        if record is None:
            return
        known = names(record)
        if name not in known:
            near = did_you_mean(name, known).replace("mean ", f"mean {owner}.")
            fields = ", ".join(known) or "none"
            yield f"{owner}.{name} does not exist{near or '.'} There are: {fields}."
        elif isinstance(node.ctx, ast.Store):
            role, *inner = self.path(node)
            is_shared = role in ("p", "bar", "view") or (
                role == "s" and inner[0] in self.part.watches
            )
            if is_shared or name not in _WRITABLE.get(role, known):
                yield f"writes {owner}.{name}, which is read-only. Keep your own values in s."
            yield from self.row(node)

    def row(self, node: ast.expr) -> Iterator[str]:
        """Yield where a strategy writes what the core says of a level."""
        if not isinstance(node, ast.Attribute):
            return
        record = self.record(node.value)
        if record and issubclass(record, Levels) and node.attr in _SAID_OF_LEVELS:
            yield (
                f"writes {ast.unparse(node)}, which the engine says of a level. A strategy writes"
                " price, enter, leave and is_stop."
            )


def _named_once(tree: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a function gives to one value alone, with it."""
    nodes = list(ast.walk(tree))
    stored = [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            (target,) = node.targets
            if isinstance(target, ast.Name) and stored.count(target.id) == 1:
                yield target.id, node.value


def check_types(part: type[Part], user: Any, signature: Any) -> None:
    """Compile a user's function; raise ConfigError where it cannot be, or where it loses digits.

    `user` is the numba dispatcher of the function, `signature` the one it is called by.
    """
    from numba.core import types as nb
    from numba.core.errors import NumbaError
    from numba.np.numpy_support import from_dtype

    own = tuple(from_dtype(record.dtype) for record in (part.Params, part.StateRecord))
    try:
        user.compile(own + tuple(signature.args[2:]))
    except NumbaError as error:
        raise ConfigError(_explain(part, str(error))) from None
    problems = []
    for compiled in user.overloads.values():
        annotation = compiled.type_annotation
        for line, name in _narrowed(annotation, nb):
            file = where(part.function()).rsplit(":", 1)[0]
            problems.append(
                f"{file}:{line}: {part.__name__}.{part.entry}: stores a float in {name}, which is"
                f" declared int and would be cut off. Declare {name} as float, or use int()."
            )
    if problems:
        raise ConfigError(*problems)


def _narrowed(annotation: Any, nb: Any) -> Iterator[tuple[int, str]]:
    """Yield line and field of each float that is stored in a whole number's field."""
    from numba.core import ir

    for block in annotation.blocks.values():
        for statement in block.body:
            if isinstance(statement, ir.SetAttr):
                owner = annotation.typemap[statement.target.name]
                value = annotation.typemap[statement.value.name]
                is_float = isinstance(owner, nb.Record) and isinstance(value, nb.Float)
                if is_float and isinstance(owner.typeof(statement.attr), nb.Integer):
                    yield statement.loc.line, statement.attr


def _explain(part: type[Part], text: str) -> str:
    """Return numba's many lines as one sentence: the place, the line of code, the first cause."""
    function: Any = part.function()
    file = inspect.getsourcefile(function) or ""
    tail = re.escape(file.rsplit("/", 1)[-1])
    lines = re.findall(rf'File "[^"]*{tail}", line (\d+)', text)
    line = int(lines[-1]) if lines else function.__code__.co_firstlineno
    causes = re.findall(
        r"(Cannot unify [^\n]*|Invalid use of [^\n]*|Unknown attribute [^\n]*|"
        r"No implementation of function [^\n]*|Use of unsupported [^\n]*|"
        r"Untyped global name [^\n]*|Cannot resolve [^\n]*|NameError: [^\n]*|"
        r"[Vv]ariable [^\n]* (?:is not defined|referenced before assignment)[^\n]*)",
        text,
    )
    cause = causes[0] if causes else text.strip().splitlines()[-1].strip()
    cause = re.sub(r"Record\(.*?\)", "record", cause).rstrip(".: ")
    code = linecache.getline(file, line).strip()
    return (
        f"{place(file, line)}: {part.__name__}.{part.entry}: {code!r} cannot be compiled:"
        f" {cause[:160]}. Use numbers alone, or set compiled = False on the class."
    )
