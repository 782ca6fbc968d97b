"""People and tags by the words of a search."""

from collections.abc import Collection

from django.db import connection

from generations.models.search_text import normalize

MAX_PEOPLE = 1000  # whose names are compared: active ones first

Keys = dict[str, tuple[int, ...]]


def names_among(texts: Collection[str]) -> tuple[Keys, Keys]:
    """Return the keys of people and of tags by those normalized texts that are their names.

    A tag has its whole name, a person a word of it or first and last name. One statement.
    """
    people: dict[str, list[int]] = {}
    tags: Keys = {}
    places = ", ".join(["%s"] * len(texts))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT * FROM (SELECT NULL AS tag, id, username, first_name || ' ' || last_name
                FROM generations_member ORDER BY is_active DESC, id LIMIT %s) AS people
            UNION ALL
            SELECT normalized, id, '', '' FROM generations_tag
                WHERE normalized IN ({places})""",  # noqa: S608
            [MAX_PEOPLE, *texts],
        )
        for tag, pk, username, name in cursor.fetchall():
            if tag is not None:
                tags[tag] = (pk,)
                continue
            words = normalize(name)
            for text in {*words, " ".join(words), *normalize(username)} & set(texts):
                people.setdefault(text, []).append(pk)
    return {text: tuple(keys) for text, keys in people.items()}, tags
