"""Text to nodes: PyYAML's events, composed so that nothing is lost, guessed or blown up."""

from dataclasses import dataclass, field
from typing import Any

from vmmcompose.manifest.mappings import fill_mapping
from vmmcompose.manifest.nodes import File, Node, Span, Tag, scalar
from vmmcompose.manifest.scalars import plain_value
from vmmcompose.manifest.source import At
from vmmcompose.model.problem import Problem

MAX_DEPTH = 64
"""Levels of nesting; a manifest needs seven."""
MAX_ALIASED = 250_000
"""Values that aliases may add to those written in the file."""
_GIVEN_UP = "maximum nesting depth"
"""What libyaml says from 0.2.6 on about more than a thousand levels."""
_TAG = "tag:yaml.org,2002:"
_MERGING: dict[str, Tag] = {"!reset": "reset", "!override": "override"}
"""The only tags that mean something in a manifest, those of compose's merging."""
_CORE = {"str": (str,), "int": (int,), "float": (float, int), "bool": (bool,), "null": (type(None),)}


class LoadError(Exception):
    """The text cannot be read as YAML at all; holds the one problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(slots=True)
class _Frame:
    """A collection that is being read."""

    node: Node
    entries: list[tuple[Node, Node]] = field(default_factory=list)
    key: Node | None = None


class Loader:
    """Composes one file. `problems` gathers what does not stop the reading."""

    def __init__(self, text: str, filename: str, base_dir: str = "/") -> None:
        self._text = text
        self._file = File(filename, text, base_dir)
        self._begin()

    def _begin(self) -> None:
        self.problems: list[Problem] = []
        self._anchors: dict[str, Node] = {}
        self._stack: list[_Frame] = []
        self._root: Node | None = None
        self._aliased = 0
        self.tagged = False

    def load(self, *, pure: bool = False) -> Node | None:
        """The root, or None for an empty file. `pure` keeps away from libyaml.

        Raises:
            LoadError: not YAML, or more than one document, nested too deep, or an alias bomb.
        """
        import yaml

        parser = _pure_parser(self._text) if pure or not yaml.__with_libyaml__ else _c_parser(self._text)
        handlers: dict[type, Any] = {
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.SequenceStartEvent: self._start,
            yaml.MappingStartEvent: self._start,
            yaml.SequenceEndEvent: self._end,
            yaml.MappingEndEvent: self._end,
            yaml.DocumentStartEvent: self._document,
        }
        get, last = parser.get_event, yaml.StreamEndEvent
        try:
            while not isinstance(event := get(), last):
                handler = handlers.get(type(event))
                if handler:
                    handler(event)
        except yaml.MarkedYAMLError as error:
            if not pure and _GIVEN_UP in (error.problem or ""):
                # libyaml reads ahead and gives up before it has told of the levels that are too many here.
                self._begin()
                return self.load(pure=True)
            from vmmcompose.manifest.syntax import syntax_problem

            raise LoadError(syntax_problem(error, self._file)) from None
        return self._root

    def _document(self, event: Any) -> None:  # noqa: ANN401 - PyYAML's types say no more
        if self._root is not None:
            hint = "keep one project per file, without `---` between its parts"
            self._refuse(
                "several-documents", "the manifest holds more than one YAML document", _span(event), hint
            )

    def _scalar(self, event: Any) -> None:  # noqa: ANN401
        text, span = event.value, _span(event)
        value, plain = plain_value(text) if event.implicit[0] else text, event.implicit[0]
        tag: Tag = ""
        if event.tag:
            tag = _MERGING.get(event.tag, "")
            plain = bool(tag) and not event.style
            value = self._tagged(event.tag, text, span) if not tag else plain_value(text) if plain else text
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            self._note(
                "encoding", "this string holds half of a surrogate pair", span, r"write \UXXXXXXXX instead"
            )
            value = text = text.encode("utf-8", "replace").decode()
        node = scalar(value, text, span, self._file, plain=plain)
        if tag:
            node.tag, self.tagged = tag, True
        if event.anchor:
            self._anchors[event.anchor] = node
        self._add(node)

    def _tagged(self, tag: str, text: str, span: Span) -> Any:  # noqa: ANN401
        kind = tag.removeprefix(_TAG)
        if tag == "!" or kind == "str":
            return text
        value = plain_value(text)
        if tag == kind or kind not in _CORE:
            self._foreign(tag, span)
        elif not isinstance(value, _CORE[kind]) or (isinstance(value, bool) and kind != "bool"):
            self._note("tag", f"`{text}` is no YAML {kind}", span, "leave the tag out")
        return value

    def _alias(self, event: Any) -> None:  # noqa: ANN401
        node, span = self._anchors.get(event.anchor), _span(event)
        if node is None:
            hint = f"write `&{event.anchor}` before the value that is meant"
            self._refuse("alias", f"there is no anchor `&{event.anchor}` before this alias", span, hint)
        elif any(frame.node is node for frame in self._stack):
            self._refuse(
                "alias", f"`*{event.anchor}` stands inside the value it repeats", span, "write the value out"
            )
        else:
            self._aliased += node.size
            if self._aliased > MAX_ALIASED:
                message = f"aliases blow this file up to more than {MAX_ALIASED} values"
                self._refuse("alias-bomb", message, span, "write the values out")
            self._add(node)

    def _start(self, event: Any) -> None:  # noqa: ANN401
        span = _span(event)
        node = Node("list" if type(event).__name__ == "SequenceStartEvent" else "map", span, self._file)
        if event.tag in _MERGING:
            node.tag, self.tagged = _MERGING[event.tag], True
        elif event.tag and event.tag not in ("!", _TAG + ("seq" if node.kind == "list" else "map")):
            self._foreign(event.tag, span)
        if len(self._stack) >= MAX_DEPTH:
            self._too_deep(span)
        if event.anchor:
            self._anchors[event.anchor] = node
        self._stack.append(_Frame(node))

    def _end(self, event: Any) -> None:  # noqa: ANN401
        frame = self._stack.pop()
        node = frame.node
        node.span = (*node.span[:2], event.end_mark.line, event.end_mark.column)
        if node.kind == "list":
            for index, (_, child) in enumerate(frame.entries):
                node.children[index] = child
            node.data = [child.data for _, child in frame.entries]
        else:
            fill_mapping(node, frame.entries, self._note)
        for key, child in frame.entries:
            node.size += child.size + (key is not child)
            node.depth = max(node.depth, child.depth + 1)
        self._add(node)

    def _add(self, node: Node) -> None:
        """Hands a finished node to the collection around it."""
        if not self._stack:
            self._root = node
            return
        if len(self._stack) + node.depth > MAX_DEPTH + 1:
            self._too_deep(node.span)
        frame = self._stack[-1]
        if frame.node.kind == "list":
            frame.entries.append((node, node))
        elif frame.key is None:
            frame.key = node
        else:
            frame.entries.append((frame.key, node))
            frame.key = None

    def _at(self) -> At:
        """The manifest path of what is being read."""
        parts: list[str | int] = []
        for frame in self._stack:
            if frame.node.kind == "list":
                parts.append(len(frame.entries))
            elif frame.key is not None:
                parts.append(frame.key.text)
        return tuple(parts)

    def _foreign(self, tag: str, span: Span) -> None:
        shown = tag.replace(_TAG, "!!")
        self._note(
            "tag", f"the tag `{shown}` means nothing here", span, "the only tags are `!reset` and `!override`"
        )

    def _too_deep(self, span: Span) -> None:
        self._refuse(
            "too-deep", f"more than {MAX_DEPTH} levels of nesting", span, "a manifest needs seven at most"
        )

    def _note(self, code: str, message: str, span: Span, hint: str) -> None:
        self.problems.append(Problem(code, message, self._at(), hint, place=self._file.place(span)))

    def _refuse(self, code: str, message: str, span: Span, hint: str) -> None:
        raise LoadError(Problem(code, message, self._at(), hint, place=self._file.place(span)))


def _span(event: Any) -> Span:  # noqa: ANN401
    start, end = event.start_mark, event.end_mark
    return (start.line, start.column, end.line, end.column)


def _c_parser(text: str) -> Any:  # noqa: ANN401
    from yaml._yaml import CParser

    return CParser(text)


def _pure_parser(text: str) -> Any:  # noqa: ANN401
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class PureParser(Reader, Scanner, Parser):
        def __init__(self) -> None:
            Reader.__init__(self, text)
            Scanner.__init__(self)
            Parser.__init__(self)

    return PureParser()
