"""Numbers in Chinese and Arabic numerals."""

_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {
    "两": 2,
    "俩": 2,
    "仨": 3,
    "〇": 0,
}
_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
DIGITS = "".join(_DIGITS)
"""For a pattern's character class; so are `NUMERALS`."""
NUMERALS = f"{DIGITS}{''.join(_UNITS)}"


def integer(numeral: str) -> int:
    """Read `25`, 二十五, 一百零五, 二〇〇, or colloquial ones: 一百五 is 150, 一万二 is 12,000."""
    if numeral.isdigit():
        return int(numeral)
    if len(numeral) > 1 and not set(numeral) & set(_UNITS):
        return int("".join(str(_DIGITS[each]) for each in numeral))
    total, section, digit, before = 0, 0, None, 1
    for character in numeral:
        if character in _DIGITS:
            digit = _DIGITS[character]
            # A last digit counts ones after 零, and tenths of the unit after a unit.
            before = 1 if digit == 0 else before
            continue
        unit = _UNITS[character]
        if unit == _UNITS["万"]:
            total, section, digit = (total + section + (digit or 0) or 1) * unit, 0, None
        else:
            section, digit = section + (1 if digit is None else digit) * unit, None
        before = unit
    return total + section + (digit or 0) * max(1, before // 10)
