"""Text that shows nothing on a page: spaces and invisible characters. No Django.

`isBlank` in static/js/studio.js has the same rule.
"""

import re
import unicodedata

INVISIBLE_CATEGORIES = {"Cc", "Cf", "Zl", "Zp", "Zs"}
# Unicode's Default_Ignorable_Code_Point outside these categories (DerivedCoreProperties.txt 16.0),
# and the blank Braille pattern, which fonts draw as a space.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)


def is_blank(text: str) -> bool:
    """Return whether the text has no visible character."""
    return all(
        unicodedata.category(each) in INVISIBLE_CATEGORIES or _IGNORABLE.match(each)
        for each in text
    )
