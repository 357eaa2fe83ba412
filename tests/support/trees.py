"""Random XML: trees, and the many ways to write the same element down."""

from xml.etree.ElementTree import Element as Tree

from hypothesis import strategies as st

from andiron.xmpp.escape import escape

NAMES = st.sampled_from(
    [
        "message",
        "presence",
        "iq",
        "body",
        "from",
        "fromage",
        "to",
        "x",
        "message-x",
        "é",
        "_",
        "xml2",
    ]
)
NAMESPACES = st.sampled_from(
    ["jabber:client", "urn:a", "urn:b", "http://x/y?a=b&c='d'", "urn:é", "urn:>", "urn:x y"]
)
CONTROLS = "".join(map(chr, range(32)))
CHARACTERS = st.characters(
    codec="utf-8",
    exclude_characters=[*CONTROLS.translate(dict.fromkeys(map(ord, "\t\n\r"))), "\ufffe", "\uffff"],
)
TEXT = st.sampled_from(
    ["", "x", " ", "é😀", "'", '"', "<&>", "\t\n\r", "/>", "</message>", " from='evil@x'",
     "<![CDATA[", "]]>", "xmlns:a='b'", "p:q"]
) | st.text(CHARACTERS, max_size=4)  # fmt: skip
SPACE = st.sampled_from(["", " ", "\n", "\r\n\t"])
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def _qualified(namespace: str, name: str) -> str:
    return f"{{{namespace}}}{name}" if namespace else name


def _tree(tag, attributes, text, children):
    tree = Tree(tag, attributes)
    tree.text = text
    for child, tail in children:
        child.tail = tail
        tree.append(child)
    return tree


TAGS = st.builds(_qualified, NAMESPACES | st.just(""), NAMES)
ATTRIBUTES = st.dictionaries(TAGS | st.just(XML_LANG), TEXT, max_size=4)
TREES = st.recursive(
    st.builds(_tree, TAGS, ATTRIBUTES, TEXT, st.just(())),
    lambda inner: st.builds(
        _tree, TAGS, ATTRIBUTES, TEXT, st.lists(st.tuples(inner, TEXT), max_size=3)
    ),
    max_leaves=6,
)


def flat(tree: Tree) -> tuple[object, ...]:
    """Return what a tree says, for comparison; empty text and none are the same."""
    return (
        tree.tag,
        dict(tree.attrib),
        tree.text or "",
        tuple((flat(child), child.tail or "") for child in tree),
    )


@st.composite
def written(draw, tags=TAGS, *, mixed=True):
    """Return an element's text, spelt in any way XML has, with the prefixes it needs in scope.

    Declarations are drawn at random on every level and used from any below.
    Without ``mixed`` there is but white space between the root's children.
    """
    prefixes = ("a", "message", "messages", "from", "é")
    return draw(_element(tags, prefixes, {"": ""}, 2, _content() if mixed else SPACE))


@st.composite
def _element(draw, tags, prefixes, scope, depth, between):
    declared = {}
    for prefix in draw(st.lists(st.sampled_from(["", *prefixes]), unique=True, max_size=2)):
        declared[prefix] = draw(NAMESPACES if prefix else NAMESPACES | st.just(""))
    scope = {**scope, **declared}
    tag = draw(tags)
    namespace, _, local = tag[1:].rpartition("}") if tag.startswith("{") else ("", "", tag)
    fitting = [prefix for prefix, uri in scope.items() if uri == namespace]
    if fitting:
        prefix = draw(st.sampled_from(fitting))
    else:
        prefix = "p" if namespace else ""
        scope[prefix] = declared[prefix] = namespace
    name = f"{prefix}:{local}" if prefix else local
    head = f"<{name}{_attributes(draw, declared, scope)}{draw(st.sampled_from(['', ' ', chr(10)]))}"
    inner = []
    if depth:
        for _ in range(draw(st.integers(0, 3))):
            inner.append(draw(between))
            inner.append(draw(_element(TAGS, prefixes, scope, depth - 1, _content())))
        inner.append(draw(between))
    content = "".join(inner)
    if not content and draw(st.booleans()):
        return f"{head}/>"
    return f"{head}>{content}</{name}{draw(st.sampled_from(['', ' ', chr(10)]))}>"


def _attributes(draw, declared, scope):
    pairs = [(f"xmlns:{prefix}" if prefix else "xmlns", uri) for prefix, uri in declared.items()]
    seen = set()
    for _ in range(draw(st.integers(0, 3))):
        prefix = draw(st.sampled_from(["", "", "", *(p for p in scope if p and scope[p])]))
        name = draw(NAMES)
        expanded = (scope[prefix] if prefix else "", name)
        if expanded not in seen:
            seen.add(expanded)
            pairs.append((f"{prefix}:{name}" if prefix else name, draw(TEXT)))
    if draw(st.booleans()):
        pairs.append(("xml:lang", draw(st.sampled_from(["en", "", "é'"]))))
    if draw(st.booleans()):
        pairs.reverse()
    return "".join(_attribute(draw, name, value) for name, value in pairs)


def _attribute(draw, name, value):
    space = draw(st.sampled_from([" ", "\n", "\t ", "\r\n"]))
    equals = draw(st.sampled_from(["=", " = ", "=\n", "\t="]))
    quote = draw(st.sampled_from("'\""))
    return f"{space}{name}{equals}{quote}{_quoted(draw, value, quote)}{quote}"


def _quoted(draw, value, quote):
    if draw(st.booleans()):
        return escape(value)
    value = value.replace("&", "&amp;").replace("<", "&#x3C;")
    return value.replace(quote, "&#39;" if quote == "'" else "&quot;")


@st.composite
def _content(draw):
    text = draw(TEXT)
    if "]]>" not in text and draw(st.booleans()):
        return f"<![CDATA[{text}]]>"
    return draw(st.sampled_from(["", " ", "/>", escape(text), escape(text)]))
