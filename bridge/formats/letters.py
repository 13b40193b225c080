"""What strangers wrote: made harmless, and as short as somebody else's limit wants it."""

import unicodedata
from collections.abc import Callable

Size = Callable[[str], int]

MARK = "…"
JOINER = "\u200d"
_TONES = range(0x1F3FB, 0x1F400)  # of skin, behind the emoji they change
_FLAGS = range(0x1F1E6, 0x1F200)  # letters of which two make a flag


def clean(text: str, most: int) -> str:
    """One line of at most `most` letters that shows nothing but itself.

    >>> clean("two\\nlines,  one \u202e trick", 50), clean("abcdef", 4)
    ('two lines, one trick', 'abc…')
    """
    words = "".join(each if _shown(each) else " " for each in text[: 4 * most]).split()
    return cut(" ".join(words), most)


def _shown(letter: str) -> bool:
    return letter.isprintable() or letter == JOINER


def cut(text: str, most: int, size: Size = len) -> str:
    """`text`, or its longest beginning that is not larger with a mark behind it. What is
    drawn as one letter is not divided. `size` does not shrink as a text grows.

    >>> cut("视频完成", 10, lambda text: len(text.encode()))
    '视频…'
    """
    if size(text) <= most:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if size(text[:middle] + MARK) <= most:
            low = middle
        else:
            high = middle - 1
    while low and _inside(text, low):
        low -= 1
    return text[:low] + MARK


def _inside(text: str, at: int) -> bool:
    """Whether a text would be divided there within what is drawn as one letter."""
    before, after = text[at - 1], text[at]
    return (
        unicodedata.category(after).startswith("M")
        or JOINER in (before, after)
        or ord(after) in _TONES
        or (ord(after) in _FLAGS and ord(before) in _FLAGS)
    )
