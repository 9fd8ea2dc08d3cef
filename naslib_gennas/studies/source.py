"""A network as one readable Python file that needs torch alone: the definitions that it is made of, and a call.

The definitions are copied from the modules that they come from, in their order, and only those that the network needs.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import re
import symtable
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from naslib_gennas.errors import InputError
from naslib_gennas.networks.staged import StagedNetwork

WIDTH = 120
PACKAGE = __name__.split(".")[0]
#: What to do with a network that has no source.
OTHERWISE = "write the network as .pt2 or .onnx"
# Python's own modules. Python 3.9 does not list them: those that networks import.
_USUAL = "__future__ abc collections dataclasses enum functools itertools math operator random re typing".split()
_STANDARD = frozenset(getattr(sys, "stdlib_module_names", _USUAL))


# ----------------------------------------------------------------------------------------------------- values as source


def literal(value: Any, indent: int = 0, taken: int = 0, replaced: Mapping[str, Any] = {}) -> str:
    """The source of a value: plain data, containers, dataclasses, named tuples, and staged networks by their call.

    Args:
        value: what to write.
        indent: columns that the lines after the first begin with.
        taken: columns of the first line before the value.
        replaced: other values for arguments of a network, by their names.

    Raises:
        InputError: it holds something that has no source.
    """
    opening, parts, closing = _parts(value, replaced)
    if parts is None:
        return opening
    inner = indent + 4
    line = opening + ", ".join(name + literal(part, inner, -WIDTH) for name, part in parts) + closing
    if isinstance(value, tuple) and opening == "(" and len(parts) == 1:
        line = f"{line[:-1]},)"
    if taken < 0 or indent + taken + len(line) <= WIDTH:
        return line
    rows = [f"{' ' * inner}{name}{literal(part, inner, len(name) + 1)}," for name, part in parts]
    return "\n".join([opening, *rows, f"{' ' * indent}{closing}"])


def _parts(value: Any, replaced: Mapping[str, Any] = {}) -> Tuple[str, Optional[List[Tuple[str, Any]]], str]:
    """What a value is written as: an opening, its parts with what goes before each, a closing; None: no parts."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False), None, ""
    if isinstance(value, (bool, int, float, type(None))):
        return repr(value), None, ""
    name = type(value).__name__
    if isinstance(value, StagedNetwork):
        args, kwargs = value.arguments
        signature = inspect.signature(type(value).__init__)
        bound = {**signature.bind(value, *args, **kwargs).arguments, **replaced}
        order = [key for key in [*signature.parameters][1:] if key in bound]
        return f"{name}(", [(f"{key}=", bound[key]) for key in order], ")"
    if isinstance(value, Name):
        return value.text, None, ""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return f"{name}(", [(f"{one.name}=", getattr(value, one.name)) for one in dataclasses.fields(value)], ")"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return f"{name}(", [("", part) for part in value], ")"
    if isinstance(value, tuple):
        return "(", [("", part) for part in value], ")"
    if isinstance(value, list):
        return "[", [("", part) for part in value], "]"
    if isinstance(value, Mapping):
        return "{", [(f"{literal(key)}: ", part) for key, part in value.items()], "}"
    raise InputError(f"a {name} cannot be written as Python source; {OTHERWISE}")


@dataclasses.dataclass(frozen=True)
class Name:
    """A name, where a value would be."""

    text: str


def classes_in(value: Any) -> List[type]:
    """The classes whose names `literal` writes."""
    parts = _parts(value)[1]
    named = isinstance(value, StagedNetwork) or dataclasses.is_dataclass(value) or hasattr(value, "_fields")
    found = [type(value)] if named and not isinstance(value, Name) else []
    return [*found, *(one for _, part in parts or [] for one in classes_in(part))]


# ---------------------------------------------------------------------------------------------- definitions and imports


@dataclasses.dataclass(frozen=True)
class _Module:
    """A module's source, taken apart.

    Attributes:
        definitions: each name that it defines, with the top-level statement that does.
        changes: statements that define nothing but change what the names that they mention hold (``TABLE["a"] = f``).
        imports: each imported name: the module, and the name in it or None for the module itself.
    """

    name: str
    path: Path
    lines: Tuple[str, ...]
    statements: Tuple[ast.stmt, ...]
    definitions: Mapping[str, ast.stmt]
    changes: Tuple[ast.stmt, ...]
    imports: Mapping[str, Tuple[str, Optional[str]]]

    def text(self, statement: ast.stmt) -> str:
        """A statement's lines, with its decorators and the comments right above it."""
        decorators = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(one.lineno for one in decorators)]) - 1
        while first and self.lines[first - 1].startswith("#") and not self.lines[first - 1].startswith("# ---"):
            first -= 1
        return "\n".join(self.lines[first : statement.end_lineno])


def _module(name: str) -> _Module:
    module = sys.modules.get(name) or importlib.import_module(name)
    path = Path(str(getattr(module, "__file__", "")))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"module '{name}' has no source file; {OTHERWISE}") from None
    definitions: Dict[str, ast.stmt] = {}
    changes: List[ast.stmt] = []
    imports: Dict[str, Tuple[str, Optional[str]]] = {}
    statements = ast.parse(text).body
    for statement in statements:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                imports[alias.asname or alias.name.split(".")[0]] = (alias.name, None)
        elif isinstance(statement, ast.ImportFrom):
            package = name.rsplit(".", statement.level)[0] if statement.level else ""
            source = ".".join(filter(None, (package, statement.module)))
            for alias in statement.names:
                imports[alias.asname or alias.name] = (source, alias.name)
        elif not (isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test)):
            bound = _bound(statement)
            definitions.update(dict.fromkeys(bound, statement))
            docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if getattr(statement, "decorator_list", []) or not (bound or docstring):
                changes.append(statement)
    return _Module(name, path, tuple(text.splitlines()), tuple(statements), definitions, tuple(changes), imports)


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _bound(statement: ast.stmt) -> Set[str]:
    """The names that a top-level statement gives a value."""
    if isinstance(statement, _DEFINITIONS):
        return {statement.name}
    found: Set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name.split(".")[0])
    return found


def _read(statement: ast.stmt, text: str) -> Set[str]:
    """The global names that a statement reads, those of its annotations included."""
    found: Set[str] = set()

    def visit(table: symtable.SymbolTable) -> None:
        for symbol in table.get_symbols():
            if symbol.is_global() or (table.get_type() == "module" and symbol.is_referenced()):
                found.add(symbol.get_name())
        for child in table.get_children():
            visit(child)

    visit(symtable.symtable(text, "definition", "exec"))
    for node in ast.walk(statement):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(annotation, ast.AST):
                found |= {inner.id for inner in ast.walk(annotation) if isinstance(inner, ast.Name)}
    return found


class Sources:
    """Collects definitions with all that they need, from this package and from modules beside `folder`.

    Args:
        folder: where modules of the user's own lie; None: there are none.
    """

    def __init__(self, folder: Optional[Path] = None) -> None:
        self._folder = folder
        self._modules: Dict[str, _Module] = {}
        self._chosen: Dict[str, List[ast.stmt]] = {}
        self._names: Dict[str, str] = {}
        self._aliases: Dict[str, Dict[str, str]] = {}
        self._foreign: Set[Tuple[str, Optional[str], str]] = {("torch", "nn", "nn"), ("torch", None, "torch")}

    def add(self, root: Any) -> None:
        """Add a class or a function.

        Raises:
            InputError: two modules define the same name, or one uses another module of its own as a whole.
        """
        self._collect(root.__name__, root.__module__)
        grown = True
        while grown:
            grown = False
            for name, chosen in list(self._chosen.items()):
                module = self._modules[name]
                for statement in module.changes:
                    if statement not in chosen and self._touches(module, statement):
                        self._take(module, statement)
                        grown = True

    def _touches(self, module: _Module, statement: ast.stmt) -> bool:
        """Whether a statement that changes something changes what is collected; a decorator may, too."""
        decorators = getattr(statement, "decorator_list", None)
        read: Set[str] = set()
        for node in decorators if decorators is not None else [statement]:
            read |= {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        return any(module.definitions.get(name) in self._chosen[module.name] for name in read)

    def _collect(self, name: str, source: str) -> None:
        module = self._modules.get(source) or self._modules.setdefault(source, _module(source))
        if name not in module.definitions:
            self._resolve(name, module)
            return
        if self._names.setdefault(name, source) != source:
            raise InputError(f"'{name}' is defined by both {self._names[name]} and {source}; {OTHERWISE}")
        self._take(module, module.definitions[name])

    def _take(self, module: _Module, statement: ast.stmt) -> None:
        chosen = self._chosen.setdefault(module.name, [])
        if statement not in chosen:
            chosen.append(statement)
            for name in sorted(_read(statement, module.text(statement))):
                self._resolve(name, module)

    def _resolve(self, name: str, module: _Module) -> None:
        if name == StagedNetwork.__name__:
            return
        if name in module.definitions:
            self._collect(name, module.name)
        elif name in module.imports:
            source, original = module.imports[name]
            if not self._is_local(source):
                self._foreign.add((source, original, name))
            elif original is None or self._is_local(f"{source}.{original}"):
                raise InputError(
                    f"'{module.path.name}' uses '{name}', a module of its own: import what it needs by name, or "
                    f"{OTHERWISE}"
                )
            else:
                if original != name:
                    self._aliases.setdefault(source, {})[name] = original
                self._collect(original, source)

    def _is_local(self, name: str) -> bool:
        if name not in sys.modules:
            return False
        path = getattr(sys.modules[name], "__file__", None)
        beside = path is not None and self._folder is not None and Path(path).resolve().parent == self._folder
        return name.split(".")[0] == PACKAGE or beside

    def packages(self) -> List[str]:
        """The packages that are imported, those of Python left out."""
        return sorted({source.split(".")[0] for source, _, _ in self._foreign} - _STANDARD)

    def text(self) -> str:
        """Imports first, then the definitions, each after those that its own module imports."""
        order: List[str] = []

        def visit(name: str) -> None:
            if name in self._chosen and name not in order:
                for source, _ in self._modules[name].imports.values():
                    visit(source)
                order.append(name)

        for name in list(self._chosen):
            visit(name)
        blocks: List[str] = []
        last_value = False
        for name in order:
            module = self._modules[name]
            for statement in (one for one in module.statements if one in self._chosen[name]):
                text, value = module.text(statement), not isinstance(statement, _DEFINITIONS)
                if value and last_value:  # constants stand together
                    blocks[-1] += f"\n\n{text}" if "\n" in text else f"\n{text}"
                else:
                    blocks.append(text)
                last_value = value
            aliases = sorted(self._aliases.get(name, {}).items())
            blocks += ["\n".join(f"{alias} = {original}" for alias, original in aliases)] if aliases else []
        return "\n\n\n".join([_import_lines(self._foreign), *_trimmed(blocks)])


def _trimmed(blocks: Sequence[str]) -> List[str]:
    """Definitions without what only scoring reads: the base class of staged networks, and the channels of stages."""
    unused = not any(".stage_channels" in block for block in blocks)
    property_ = re.compile(r"    @property\n    def stage_channels\(.*?(?=\n    def |\n    @|\Z)", re.DOTALL)
    found = [property_.sub("", block).rstrip() if unused else block for block in blocks]
    found = [re.sub(r"\n{3,}", "\n\n", block) for block in found]
    return [re.sub(rf"\b{StagedNetwork.__name__}\b", "nn.Module", block) for block in found]


def _import_lines(names: Set[Tuple[str, Optional[str], str]]) -> str:
    """Import statements, those of the standard library first."""
    rows: Dict[bool, Dict[str, Set[str]]] = {True: {}, False: {}}
    for source, original, name in names:
        of = rows[source.split(".")[0] in _STANDARD]
        if original is None:
            whole = f"import {source}" if name == source.split(".")[0] else f"import {source} as {name}"
            of.setdefault(f"{whole}", set())
        elif source != "__future__":
            of.setdefault(f"from {source} import", set()).add(original if name == original else f"{original} as {name}")
    parts = []
    for of in rows.values():
        # `import x` before `from x import y`, each in the order of the alphabet.
        lines = [" ".join(filter(None, (line, ", ".join(sorted(of[line]))))) for line in sorted(of, key=_import_order)]
        parts += ["\n".join(lines)] if lines else []
    return "\n\n".join(["from __future__ import annotations", *parts])


def _import_order(line: str) -> Tuple[bool, str]:
    return not line.startswith("import"), line
