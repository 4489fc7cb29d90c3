"""What the calls of a Python module call, by full dotted names, as far as the file alone can tell.

It follows imports and their aliases, assignments, `with … as`, parameters annotated with the client, and attributes
such as `self.client`, scope by scope. A name that is bound to something else in a nearer scope hides the one outside.
Where one scope binds a name several times, the meaning that is known counts. Nothing is imported or run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

__all__ = ["CLIENT", "called_names", "partial_of"]

CLIENT = "kizashi.Client()"
"""The dotted name of any client that the file makes: its method is `kizashi.Client().track`."""

_PARTIAL = "functools.partial("
_MAKERS = ("kizashi.Client", "kizashi.configure")
_STARRED = ("track", "configure", "Client")
# Longer chains of names that stand for names are circles.
_MOST_STEPS = 20

_Functions = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class _Annotated:
    """A name whose annotation may say what it is."""

    def __init__(self, annotation: ast.expr) -> None:
        self.annotation = annotation


_Binding = str | ast.expr | _Annotated


class _Scope:
    """The names that one module, class or function binds, each with what it may stand for."""

    def __init__(self, parent: _Scope | None, owner: ast.ClassDef | None, *, is_class: bool = False) -> None:
        self.parent = parent
        self.owner = owner
        self.is_class = is_class
        self.names: dict[str, list[_Binding]] = {}
        self.elsewhere: set[str] = set()

    def bind(self, name: str, *meanings: _Binding) -> None:
        scope = self
        if name in self.elsewhere:
            while scope.parent is not None:
                scope = scope.parent
        scope.names.setdefault(name, []).extend(meanings)

    def find(self, name: str) -> tuple[_Scope, list[_Binding]] | None:
        """The nearest scope that binds the name. What a class binds is not seen inside its methods."""
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.names and name not in scope.elsewhere and (scope is self or not scope.is_class):
                return scope, scope.names[name]
            scope = scope.parent
        return None


def called_names(tree: ast.Module) -> list[tuple[str, ast.Call]]:
    """Every call whose target has a dotted name, in the order of the text.

    A relative import's name begins with its dots. A `functools.partial` of a named function is called
    `functools.partial(name)`; see partial_of.
    """
    module = _Module()
    module.read(tree)
    found: list[tuple[str, ast.Call]] = []
    for call, scope in module.calls:
        name = module.name_of(call.func, scope)
        if name == "functools.partial" and call.args:
            name = f"{_PARTIAL}{module.name_of(call.args[0], scope)})"
        if name is not None:
            found.append((name, call))
    return sorted(found, key=lambda item: (item[1].lineno, item[1].col_offset))


def partial_of(name: str) -> str:
    """The function that a `functools.partial` stands for, or the name itself where it is none."""
    return name[len(_PARTIAL) : -1] if name.startswith(_PARTIAL) else name


class _Module:
    """One file: its scopes, the attributes that it assigns, and the calls in it."""

    def __init__(self) -> None:
        self.calls: list[tuple[ast.Call, _Scope]] = []
        self.attributes: dict[tuple[ast.ClassDef | None, str], list[tuple[ast.expr, _Scope]]] = {}
        self.known: dict[tuple[_Scope | ast.ClassDef | None, str], str | None] = {}

    def read(self, tree: ast.Module) -> None:
        """Walk the whole tree without recursion: an expression may be nested deeper than Python recurses."""
        top = _Scope(None, None)
        waiting: list[tuple[ast.AST, _Scope]] = [(tree, top)]
        while waiting:
            node, scope = waiting.pop()
            self._bind(node, scope)
            inside, outside = self._children(node, scope)
            waiting.extend(reversed([*outside, *inside]))

    def _children(
        self, node: ast.AST, scope: _Scope
    ) -> tuple[list[tuple[ast.AST, _Scope]], list[tuple[ast.AST, _Scope]]]:
        """What a node holds, with the scope of each: first what is inside a scope of its own, then the rest."""
        inner: _Scope | None = None
        if isinstance(node, _Functions):
            inner = _Scope(scope, scope.owner)
            _bind_parameters(node.args, inner)
        elif isinstance(node, ast.ClassDef):
            inner = _Scope(scope, node, is_class=True)
        if inner is None:
            return [], [(child, scope) for child in ast.iter_child_nodes(node)]
        body = node.body if isinstance(node.body, list) else [node.body]  # type: ignore[attr-defined]
        members = {id(child) for child in body}
        rest = [child for child in ast.iter_child_nodes(node) if id(child) not in members]
        return [(child, inner) for child in body], [(child, scope) for child in rest]

    def _bind(self, node: ast.AST, scope: _Scope) -> None:
        match node:
            case ast.Call():
                self.calls.append((node, scope))
            case ast.Import(names=aliases):
                for alias in aliases:
                    first = alias.name.partition(".")[0]
                    scope.bind(alias.asname or first, alias.name if alias.asname else first)
            case ast.ImportFrom():
                _bind_imported(node, scope)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._assign(target, value, scope)
            case ast.AnnAssign(target=target, annotation=annotation, value=assigned):
                if isinstance(target, ast.Name):
                    scope.bind(target.id, _Annotated(annotation))
                if assigned is not None:
                    self._assign(target, assigned, scope)
            case ast.NamedExpr(target=target, value=value):
                self._assign(target, value, scope)
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                self._assign(target, value, scope)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                scope.elsewhere.update(names)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                scope.bind(name)
            case ast.ExceptHandler(name=str(name)):
                scope.bind(name)
            case ast.Name(id=name, ctx=ast.Store()):
                scope.bind(name)
            case _:
                pass

    def _assign(self, target: ast.expr, value: ast.expr, scope: _Scope) -> None:
        if isinstance(target, ast.Name):
            scope.bind(target.id, value)
            if scope.is_class:
                self.attributes.setdefault((scope.owner, f"self.{target.id}"), []).append((value, scope))
        elif isinstance(target, ast.Attribute) and (text := _attribute(target)) is not None:
            owner = scope.owner if text.startswith("self.") else None
            self.attributes.setdefault((owner, text), []).append((value, scope))

    def name_of(self, node: ast.expr, scope: _Scope, steps: int = _MOST_STEPS) -> str | None:
        """The dotted name of what an expression stands for, or None where the file does not tell."""
        if steps == 0:
            return None
        match node:
            case ast.Name(id=name):
                found = scope.find(name)
                return None if found is None else self._bound(name, found[0], found[1], steps)
            case ast.Attribute(value=value, attr=attr):
                whole = self.name_of(value, scope, steps - 1)
                return self._assigned(node, scope, steps) if whole is None else f"{whole}.{attr}"
            case ast.Call(func=made):
                return CLIENT if self.name_of(made, scope, steps - 1) in _MAKERS else None
            case ast.NamedExpr(value=value):
                return self.name_of(value, scope, steps - 1)
            case ast.BoolOp(values=values):
                return self._first(values, scope, steps)
            case ast.IfExp(body=body, orelse=orelse):
                return self._first([body, orelse], scope, steps)
            case _:
                return None

    def _bound(self, name: str, scope: _Scope, meanings: list[_Binding], steps: int) -> str | None:
        """What a name of a scope stands for; asked once, since names may stand for each other in many ways."""
        key = (scope, name)
        if key not in self.known:
            self.known[key] = None  # what is asked again on the way is a circle
            self.known[key] = self._first(meanings, scope, steps)
        return self.known[key]

    def _first(self, meanings: Iterable[_Binding], scope: _Scope, steps: int) -> str | None:
        for meaning in meanings:
            if isinstance(meaning, str):
                return meaning
            if isinstance(meaning, _Annotated):
                name = CLIENT if self._is_client(meaning.annotation, scope, steps) else None
            else:
                name = self.name_of(meaning, scope, steps - 1)
            if name is not None:
                return name
        return None

    def _assigned(self, node: ast.Attribute, scope: _Scope, steps: int) -> str | None:
        text = _attribute(node)
        if text is None:
            return None
        key = (scope.owner if text.startswith("self.") else None, text)
        if key in self.attributes and key not in self.known:
            self.known[key] = None
            names = (self.name_of(value, where, steps - 1) for value, where in self.attributes[key])
            self.known[key] = next((name for name in names if name is not None), None)
        return self.known.get(key)

    def _is_client(self, annotation: ast.expr, scope: _Scope, steps: int) -> bool:
        """Whether an annotation is the client's class, or that or something else, such as None."""
        match annotation:
            case ast.Constant(value=str(text)):
                try:
                    return self._is_client(ast.parse(text, mode="eval").body, scope, steps)
                except (SyntaxError, ValueError):
                    return False
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self._is_client(left, scope, steps) or self._is_client(right, scope, steps)
            case ast.Name() | ast.Attribute():
                return self.name_of(annotation, scope, steps - 1) == "kizashi.Client"
            case _:
                return False


def _bind_imported(node: ast.ImportFrom, scope: _Scope) -> None:
    module = "." * node.level + (node.module or "")
    for alias in node.names:
        if alias.name != "*":
            joint = "" if module.endswith(".") else "."
            scope.bind(alias.asname or alias.name, f"{module}{joint}{alias.name}")
        elif module == "kizashi":
            for name in _STARRED:
                scope.bind(name, f"kizashi.{name}")


def _bind_parameters(arguments: ast.arguments, scope: _Scope) -> None:
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    for argument in [*listed, arguments.vararg, arguments.kwarg]:
        if argument is None:
            continue
        if argument.annotation is None:
            scope.bind(argument.arg)
        else:
            scope.bind(argument.arg, _Annotated(argument.annotation))


def _attribute(node: ast.Attribute) -> str | None:
    """The text of a chain of plain attributes, such as `self.client`."""
    names = [node.attr]
    value = node.value
    while isinstance(value, ast.Attribute):
        names.append(value.attr)
        value = value.value
    if not isinstance(value, ast.Name):
        return None
    return ".".join([value.id, *reversed(names)])
