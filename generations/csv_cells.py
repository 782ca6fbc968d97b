"""Cells of CSV files that people open in a spreadsheet."""

from typing import Any

BYTE_ORDER_MARK = "\ufeff"  # without it Excel does not read the file as UTF-8
# A spreadsheet runs a cell that starts like this. The wide forms come from East Asian keyboards.
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")


def escape(cell: Any) -> Any:
    """Prefix text that a spreadsheet would run as a formula with an apostrophe."""
    is_formula = isinstance(cell, str) and cell.startswith(FORMULA_STARTS)
    return f"'{cell}" if is_formula else cell
