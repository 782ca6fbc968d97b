"""Looks up parts of words and mistyped words in the vocabulary."""

from collections.abc import Mapping, Sequence

from django.db import DEFAULT_DB_ALIAS, connections

from .index import table_of_words

MAX_SIMILAR = 200  # words; what is in more of them is found by its beginning only
MAX_CANDIDATES = 2000  # of which the mistyped word may be one
MAX_CORRECTIONS = 50
SQLITE_TRIGRAM = 3  # letters in a row that its index of parts needs
LAST_CHARACTER = chr(0x10FFFF)


def words_containing(
    parts: Sequence[str], using: str = DEFAULT_DB_ALIAS
) -> Mapping[str, tuple[str, ...]]:
    """Return, for each part, the words that have it after their beginning, in one statement.

    A part that more than `MAX_SIMILAR` words have is left out: it says little.
    """
    found: dict[str, list[str]] = {part: [] for part in parts}
    if not parts:
        return {}
    one = f"SELECT * FROM (SELECT %s AS part, word FROM {table_of_words(using)} WHERE word LIKE %s LIMIT %s) AS found"  # noqa: S608, E501
    parameters = list[str | int]()
    for part in parts:
        parameters += [part, f"%_{part}%", MAX_SIMILAR + 1]
    with connections[using].cursor() as cursor:
        cursor.execute(" UNION ALL ".join([one] * len(parts)), parameters)
        for part, word in cursor.fetchall():
            found[part].append(word)
    return {part: tuple(words) for part, words in found.items() if len(words) <= MAX_SIMILAR}


def corrections(typed: str, using: str = DEFAULT_DB_ALIAS) -> tuple[str, ...]:
    """Return the words of which `typed` may be the whole or the beginning, with one typo.

    One edit leaves the first or the second half of the word as it is, so words with either half in
    its place are read and compared; a swap of the letters in the middle is looked up by itself.
    """
    half = len(typed) // 2
    swapped = typed[: half - 1] + typed[half] + typed[half - 1]
    second = typed[half:]
    beginnings = [typed[:half], swapped]
    patterns = [f"{'_' * place}{second}%" for place in (half - 1, half, half + 1)]
    if table_of_words(using) == "generations_word_parts":
        candidates = _read_by_index(typed, beginnings, patterns, using)
    else:
        candidates = _read_all([*(f"{text}%" for text in beginnings), *patterns], using)
    whole = [word for word in candidates if is_one_edit_apart(typed, word)]
    begun = [word for word in candidates if _is_mistyped_beginning(typed, word)]
    return tuple(dict.fromkeys([*sorted(whole), *sorted(begun)]))[:MAX_CORRECTIONS]


def _read_all(patterns: Sequence[str], using: str) -> list[str]:
    """The words like one of these. PostgreSQL finds most of them by trigrams."""
    condition = " OR ".join(["word LIKE %s"] * len(patterns))
    sql = f"SELECT word FROM generations_word WHERE {condition} LIMIT %s"  # noqa: S608
    return _words(sql, [*patterns, MAX_CANDIDATES], using)


def _read_by_index(
    typed: str, beginnings: Sequence[str], patterns: Sequence[str], using: str
) -> list[str]:
    """The same words on SQLite, without reading the whole vocabulary.

    Beginnings are ranges of the index of words; the rest is found by its trigrams. Two letters have
    none: then the edit is among the first two letters, so one of these or the other three are left.
    """
    ranges = [(text, "%") for text in beginnings]
    if len(typed) // 2 + SQLITE_TRIGRAM > len(typed):
        ranges.append((typed[1] + typed[0], "%"))
        ranges += [(typed[0], pattern) for pattern in patterns]
        patterns = [f"%{typed[1:]}%"]
    by_beginning = "word >= %s AND word < %s AND word LIKE %s"
    selects = [f"SELECT word FROM generations_word WHERE {by_beginning} LIMIT %s"] * len(ranges)  # noqa: S608
    selects += ["SELECT word FROM generations_word_parts WHERE word LIKE %s LIMIT %s"] * len(
        patterns
    )
    parameters: list[str | int] = []
    for beginning, pattern in ranges:
        parameters += [beginning, f"{beginning}{LAST_CHARACTER}", pattern, MAX_CANDIDATES]
    for pattern in patterns:
        parameters += [pattern, MAX_CANDIDATES]
    sql = " UNION ".join(f"SELECT * FROM ({select}) AS found" for select in selects)  # noqa: S608
    return _words(sql, parameters, using)


def _words(sql: str, parameters: Sequence[str | int], using: str) -> list[str]:
    with connections[using].cursor() as cursor:
        cursor.execute(sql, parameters)
        return [word for (word,) in cursor.fetchall()]


def is_one_edit_apart(first: str, second: str) -> bool:
    """Whether one letter more, less or other, or two swapped neighbours, is all the difference."""
    if first == second or abs(len(first) - len(second)) > 1:
        return False
    start = next(
        (at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
        min(len(first), len(second)),
    )
    if len(first) != len(second):
        short, long = sorted((first, second), key=len)
        return short[start:] == long[start + 1 :]
    is_swapped = first[start : start + 2] == second[start : start + 2][::-1]
    return first[start + 1 :] == second[start + 1 :] or (
        is_swapped and first[start + 2 :] == second[start + 2 :]
    )


def _is_mistyped_beginning(typed: str, word: str) -> bool:
    """Ends with the last letter typed: else every word with the letters before it would do."""
    beginnings = (word[: len(typed) + more] for more in (-1, 0, 1))
    return any(
        beginning[-1:] == typed[-1] and is_one_edit_apart(typed, beginning)
        for beginning in beginnings
    )
