"""Separators between parts that a template puts together, in the reader's language.

White space after {% comma %}, {% colon %} and {% full_stop %} is not shown, so that a line may end
there: each has the space that its language needs. {% sentences %} is for sentences side by side.
"""

import re
from collections.abc import Callable

from django import template
from django.template.base import Node, NodeList, Parser, Token, TokenType
from django.template.context import Context
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from generations import joining

register = template.Library()
# A sentence that ends so is followed by no space, also not before or behind the tags that follow.
_FULL_WIDTH_END = re.compile(r"(?<=[。！？；：，、])(?:\s*<[^>]*>)*\s*")
_SPACE_BESIDE_TAGS = re.compile(r"\s+(?=<|$)|(?<=>)\s+|^\s+")


class SeparatorNode(Node):
    def __init__(self, separator: Callable[[], str]) -> None:
        self.separator = separator

    def render(self, context: Context) -> SafeString:
        return escape(self.separator())


class SentencesNode(Node):
    def __init__(self, nodelist: NodeList) -> None:
        self.nodelist = nodelist

    def render(self, context: Context) -> SafeString:
        text = self.nodelist.render(context)
        return text if joining.has_space_between_sentences() else _without_spaces(text)


def _without_spaces(text: SafeString) -> SafeString:
    """Only white space is removed: what was safe stays so."""
    return mark_safe(  # noqa: S308
        _FULL_WIDTH_END.sub(lambda found: _SPACE_BESIDE_TAGS.sub("", found[0]), text)
    )


def _separator(separator: Callable[[], str]) -> Callable[[Parser, Token], SeparatorNode]:
    def compile_tag(parser: Parser, token: Token) -> SeparatorNode:
        following = parser.tokens[-1] if parser.tokens else None  # the parser takes from the end
        if isinstance(following, Token) and following.token_type == TokenType.TEXT:
            following.contents = following.contents.lstrip()
        return SeparatorNode(separator)

    return compile_tag


register.tag("comma", _separator(joining.comma))
register.tag("colon", _separator(joining.colon))
register.tag("full_stop", _separator(joining.full_stop))


@register.tag("sentences")
def compile_sentences(parser: Parser, token: Token) -> SentencesNode:
    """{% sentences %}{% translate "One." %} {% translate "Two." %}{% endsentences %}"""
    nodelist = parser.parse(("endsentences",))
    parser.delete_first_token()
    return SentencesNode(nodelist)
