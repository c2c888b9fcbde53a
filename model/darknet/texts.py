"""Text files beside weights, as editors of all systems write them."""

import codecs

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decode(content: bytes, errors: str = "strict") -> str:
    """The text: UTF-16 where its mark says so, else UTF-8, with or without a mark; UnicodeDecodeError for others."""
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    return content.decode(encoding, errors)
