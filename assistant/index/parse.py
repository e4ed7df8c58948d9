"""Syntax trees, turned into plain blocks of lines at once. The only module that knows tree-sitter.

``tree-sitter-languages`` serves Python up to 3.12, ``tree-sitter-language-pack`` serves newer ones.
Their grammars differ in node types, so both spellings stand in the tables.
"""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Any

from assistant.index.chunk import Block
from assistant.index.languages import grammar_for, language_for

__all__ = ["Block", "enclosing_definition", "language_for", "outline"]

log = logging.getLogger(__name__)

MAX_PARSE_BYTES = 512 * 1024
_MAX_DEPTH = 60
_MAX_SIGNATURE = 240

_PACK_NAMES = {"c_sharp": "csharp"}
"""Grammars that the newer package calls by another name."""

_KINDS = {
    **dict.fromkeys(
        (
            *("function_definition", "function_declaration", "function_item", "subroutine"),
            *("function_definition_statement", "local_function_definition_statement"),
            *("generator_function_declaration", "short_function_definition", "function"),
            *("function_signature_item", "function_signature", "value_definition", "fun_decl"),
            *("subroutine_declaration_statement", "local_function_statement", "macro_definition"),
            *("preproc_function_def", "defun", "value_declaration"),
        ),
        "function",
    ),
    **dict.fromkeys(
        (
            *("method_declaration", "method_definition", "method", "singleton_method"),
            *("constructor_declaration", "method_signature", "abstract_method_signature"),
            *("compact_constructor_declaration", "destructor_declaration"),
        ),
        "method",
    ),
    **dict.fromkeys(
        (
            *("class_definition", "class_declaration", "abstract_class_declaration", "class"),
            *("class_specifier", "class_implementation", "class_interface", "object_declaration"),
            *("object_definition", "record_declaration"),
        ),
        "class",
    ),
    **dict.fromkeys(
        ("struct_item", "struct_specifier", "struct_declaration", "struct_definition"), "struct"
    ),
    **dict.fromkeys(("enum_item", "enum_specifier", "enum_declaration", "enum_definition"), "enum"),
    **dict.fromkeys(
        ("trait_item", "trait_definition", "trait_declaration", "interface_declaration"),
        "interface",
    ),
    "impl_item": "impl",
    **dict.fromkeys(
        (
            *("type_spec", "type_alias_declaration", "type_item", "type_definition", "adt"),
            *("type_alias", "newtype", "alias_declaration", "union_specifier", "union_item"),
        ),
        "type",
    ),
    **dict.fromkeys(
        (
            *("namespace_definition", "namespace_declaration", "internal_module", "mod_item"),
            *("module_definition", "module"),
        ),
        "module",
    ),
}
_WRAPPERS = frozenset(
    (
        *("decorated_definition", "export_statement", "template_declaration", "type_declaration"),
        *("ambient_declaration", "expression_statement", "lexical_declaration"),
        *("variable_declaration", "const_declaration", "var_declaration", "declare_statement"),
        "assignment_statement",
    )
)
_ASSIGNMENTS = frozenset(
    (
        *("variable_declarator", "assignment_expression", "variable_assignment", "assignment"),
        *("local_variable_declaration", "left_assignment", "assignment_statement", "pair", "field"),
        *("const_spec", "var_spec", "const_item", "static_item", "public_field_definition"),
        *("field_definition", "variable_declaration", "binary_operator"),
    )
)
_FUNCTION_VALUES = frozenset(
    (
        *("arrow_function", "function", "function_expression", "function_definition"),
        *("generator_function", "lambda", "class", "class_expression", "func_literal"),
    )
)
_HOLDERS = frozenset(("class", "struct", "interface", "impl"))
_NAME_TYPES = frozenset(
    ("identifier", "type_identifier", "simple_identifier", "constant", "name", "variable", "word")
)


_absent: set[str] = set()


def _parser(grammar: str) -> Any | None:
    """Returns a new parser of a grammar, or None where the package has none.

    New for each file (60 microseconds): the scanner of the older Lua grammar keeps what it was in,
    and after one file with an open string or a comment at its end reads no other one right.
    """
    if grammar in _absent:
        return None
    parser = _load(grammar)
    if parser is None:
        _absent.add(grammar)
    return parser


def _load(grammar: str) -> Any | None:
    is_pack = sys.version_info >= (3, 13)
    try:
        if sys.version_info >= (3, 13):
            from tree_sitter_language_pack import get_parser
        else:
            from tree_sitter_languages import get_parser
        with warnings.catch_warnings():
            # Its old call of tree_sitter.Language; the versions are pinned together.
            warnings.simplefilter("ignore", FutureWarning)
            return get_parser(_PACK_NAMES.get(grammar, grammar) if is_pack else grammar)
    except (AttributeError, LookupError, OSError, ImportError) as error:
        log.debug("no grammar for %s: %s", grammar, error)
        return None


class _Walk:
    """Turns one tree into blocks."""

    def __init__(self, data: bytes, first_row: int) -> None:
        self.data = data
        self.first_row = first_row

    def blocks(self, node: Any, depth: int, holder: str | None) -> tuple[Block, ...]:
        return tuple(
            self._block(child, depth, holder)
            for child in node.named_children
            if self._counts(child)
        )

    def _counts(self, node: Any) -> bool:
        return bool(node.start_point[0] >= self.first_row)

    def _block(self, node: Any, depth: int, holder: str | None) -> Block:
        start = node.start_point[0] - self.first_row
        row, column = node.end_point
        end = max(start + 1, row - self.first_row + (1 if column else 0))
        found = self._definition(node, depth == 0, 0)
        if found is None:
            is_long = end - start > 1 and depth < _MAX_DEPTH
            children = self.blocks(node, depth + 1, holder) if is_long else ()
            return Block(start, end, children=children)
        kind, name, inner = found
        if kind == "function" and holder in _HOLDERS:
            kind = "method"
        has_inside = kind != "variable" and depth < _MAX_DEPTH
        body = inner.child_by_field_name("body") or inner
        children = self.blocks(body, depth + 1, kind) if has_inside else ()
        return Block(start, end, kind, name, self._signature(inner), children)

    def _definition(self, node: Any, is_top: bool, level: int) -> tuple[str, str, Any] | None:
        kind = _KINDS.get(node.type)
        if kind is not None:
            name = self._name(node)
            if name:
                return kind, name, node
        if node.type in _ASSIGNMENTS:
            found = self._assigned(node, is_top)
            if found is not None:
                return found
        if node.type in _WRAPPERS and level < 4:
            for child in node.named_children:
                found = self._definition(child, is_top, level + 1)
                if found is not None:
                    return found
        return None

    def _assigned(self, node: Any, is_top: bool) -> tuple[str, str, Any] | None:
        left = _field(node, "name", "left", "key", "property") or _first_named(node)
        value = _field(node, "value", "right")
        if left is None or (value is not None and left.id == value.id):
            return None
        name = self._text(left).strip()
        inner = value
        while inner is not None and inner.type in ("expression_list", "parenthesized_expression"):
            inner = _first_named(inner)
        if inner is not None and inner.type in _FUNCTION_VALUES:
            return ("class" if "class" in inner.type else "function"), name, inner
        is_plain = name.isidentifier() and node.type not in ("pair", "field", "binary_operator")
        return ("variable", name, node) if is_top and is_plain else None

    def _name(self, node: Any) -> str:
        found = node.child_by_field_name("name")
        if found is None and node.type == "impl_item":
            found = node.child_by_field_name("type")
        inner = node
        for _ in range(8):
            if found is not None:
                break
            inner = _declarator(inner)
            if inner is None:
                break
            if _declarator(inner) is None:
                found = inner
        if found is None:
            children = node.named_children
            found = next((child for child in children if child.type in _NAME_TYPES), None)
        if found is None and node.named_child_count and node.type != "function":
            # OCaml and Go put the name one level down, in a binding.
            found = _field(node.named_children[0], "name", "pattern")
        text = self._text(found) if found is not None else ""
        return text if len(text) <= 120 and "\n" not in text else ""

    def _signature(self, node: Any) -> str:
        body = node.child_by_field_name("body")
        line_start = self.data.rfind(b"\n", 0, node.start_byte) + 1
        line_end = self.data.find(b"\n", node.start_byte)
        end = line_end if line_end >= 0 else len(self.data)
        if body is not None and body.start_byte > node.start_byte:
            end = min(body.start_byte, node.end_byte)
        raw = self.data[line_start:end].decode("utf-8", "replace")
        return " ".join(raw.lstrip("\ufeff").split())[:_MAX_SIGNATURE]

    def _text(self, node: Any) -> str:
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _field(node: Any, *names: str) -> Any | None:
    for name in names:
        found = node.child_by_field_name(name)
        if found is not None:
            return found
    return None


def _declarator(node: Any) -> Any | None:
    """Returns what a C declaration declares; a C++ reference has it without a field's name."""
    if node.type == "reference_declarator":
        return _first_named(node)
    return node.child_by_field_name("declarator")


def _first_named(node: Any) -> Any | None:
    return node.named_children[0] if node.named_child_count else None


def outline(language: str, data: bytes) -> tuple[Block, ...] | None:
    """Returns the blocks of a file, or None where there is no grammar or the file is too large."""
    grammar = grammar_for(language)
    parser = _parser(grammar) if grammar and len(data) <= MAX_PARSE_BYTES else None
    if parser is None:
        return None
    # The older Lua grammar misreads a file whose first token is no comment or string.
    head = b"--\n" if grammar == "lua" else b""
    tree = parser.parse(head + data)
    return _Walk(head + data, len(head) and 1).blocks(tree.root_node, 0, None)


def enclosing_definition(
    language: str, source: bytes, line: int
) -> tuple[int, int, str | None] | None:
    """Returns first and last line (0-based, end exclusive) and name of what encloses a line.

    The innermost function or method, else the innermost other definition, else None.
    """
    best: Block | None = None
    level = outline(language, source) or ()
    while level:
        around = next((block for block in level if block.start <= line < block.end), None)
        if around is None:
            break
        is_function = around.kind in ("function", "method")
        was_function = best is not None and best.kind in ("function", "method")
        if is_function or (around.kind not in (None, "variable") and not was_function):
            best = around
        level = around.children
    return None if best is None else (best.start, best.end, best.name)
