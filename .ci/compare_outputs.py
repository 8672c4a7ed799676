#!/usr/bin/env python3
"""Compares the text that the cells of two notebooks printed; exit code 1 where it differs.

    .ci/compare_outputs.py COMMITTED FRESH

Figures are not compared: every version of matplotlib draws other pixels, and the tables hold the same numbers. Numbers
may differ by a thousandth or by two units of the last digit shown, because near-ties of the router fall the other way on
another instruction set; all other words must be the same.
"""
import json
import re
import sys
from decimal import Decimal
from pathlib import Path

NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])")


def printed(cell):
    """All that a cell printed, however often its output was flushed."""
    texts = (output.get("text") or output.get("data", {}).get("text/plain", []) for output in cell.get("outputs", []))
    return "".join("".join(text) + "\n" * (not "".join(text).endswith("\n")) for text in texts)


def lines(text):
    """The lines as words; the frames of tables, which are as wide as their numbers, are left out."""
    rows = (re.sub(r"[│┆|\s]+", " ", line).strip() for line in text.splitlines())
    return [row for row in rows if re.search(r"[^┌┬┐╞╪╡└┴┘═─ -]", row)]


def near(old, new):
    """Whether two numbers, as they are printed, are the same but for the instruction set."""
    old, new = (Decimal(number.replace(",", "")) for number in (old, new))
    # Whole numbers are counts: one of ten is another number, one of ten thousand a near-tie.
    digits = max(old.as_tuple().exponent, new.as_tuple().exponent)
    rounding = 2 * Decimal(1).scaleb(digits) if digits < 0 else 0
    return abs(old - new) <= max(rounding, max(abs(old), abs(new)) / 1000)


def same(old, new):
    """Whether two lines are the same but for near numbers."""
    numbers = list(zip(NUMBER.findall(old), NUMBER.findall(new)))
    return NUMBER.sub("#", old) == NUMBER.sub("#", new) and all(near(*pair) for pair in numbers)


def differences(committed, fresh):
    """The first line that differs in each cell, in words."""
    for old_cell, new_cell in zip(committed["cells"], fresh["cells"], strict=True):
        old, new = lines(printed(old_cell)), lines(printed(new_cell))
        if len(old) != len(new):
            yield f"cell `{old_cell['id']}` has {len(old)} lines of output, the fresh one {len(new)}"
            continue
        first = next((pair for pair in zip(old, new) if not same(*pair)), None)
        if first:
            yield f"cell `{old_cell['id']}` shows\n  {first[0]}\nand the fresh one\n  {first[1]}"


def main():
    committed, fresh = (Path(name) for name in sys.argv[1:])
    found = list(differences(*(json.loads(path.read_text(encoding="utf-8")) for path in (committed, fresh))))
    for difference in found:
        print(f"{committed}: {difference}", file=sys.stderr)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
