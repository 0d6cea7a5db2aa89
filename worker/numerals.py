"""Numbers in Chinese and Arabic numerals."""

_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
DIGITS = "".join(_DIGITS)
"""Those of a pattern's class; so are `NUMERALS`."""
NUMERALS = f"{DIGITS}{''.join(_UNITS)}"


def integer(said: str) -> int:
    """Read `25` or 二十五; what is neither is no number."""
    if said.isdigit():
        return int(said)
    total, section, digit = 0, 0, None
    for character in said:
        if character in _DIGITS:
            digit = _DIGITS[character]
            continue
        unit = _UNITS[character]
        if unit == _UNITS["万"]:
            total, section, digit = (section + (digit or 0)) * unit, 0, None
        else:
            section, digit = section + (1 if digit is None else digit) * unit, None
    return total + section + (digit or 0)
