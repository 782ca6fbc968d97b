"""Compile the translations: each django.po of locale/ to the django.mo beside it.

In pure Python, and the results are committed: neither `make run` nor Docker needs gettext.
Run by `make messages`; tests/test_catalogs.py compares the files.
"""

import io
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALE_DIR = Path(__file__).resolve().parent.parent / "locale"


def catalogs() -> list[Path]:
    return sorted(LOCALE_DIR.glob("*/LC_MESSAGES/django.po"))


def compiled(po: Path) -> bytes:
    """Return the contents of the .mo file. The same for the same messages."""
    with po.open("rb") as file:
        catalog = read_po(file)
    out = io.BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def main() -> None:
    for po in catalogs():
        po.with_suffix(".mo").write_bytes(compiled(po))


if __name__ == "__main__":
    main()
