"""Full-text search over prompts, on SQLite and PostgreSQL.

Words match by prefix; case and diacritics are ignored. In scripts without spaces, such as Chinese,
Japanese and Thai, any part of a text matches. Words joined without a space, `black-and-white`, or
in quotes must be next to each other; those in quotes match whole.

`SearchQuery.parse` reads such a text. `for_member` also finds parts of words, people, tags and
aspect ratios, and forgives a typo where nothing else is found.
"""

from .index import prepare
from .like import keys_like
from .phrases import MAX_PHRASES, MAX_SEARCH_CHARACTERS, Phrase
from .query import SearchQuery, for_member, narrow, newest_keys_of, search

__all__ = [
    "MAX_PHRASES",
    "MAX_SEARCH_CHARACTERS",
    "Phrase",
    "SearchQuery",
    "for_member",
    "keys_like",
    "narrow",
    "newest_keys_of",
    "prepare",
    "search",
]
