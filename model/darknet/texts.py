"""Decodes the text files beside weights, in the encodings that common editors write."""

import codecs

MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decode(content: bytes, errors: str = "strict") -> str:
    """The text: UTF-16 if a byte order mark says so, else UTF-8; UnicodeDecodeError for other encodings."""
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    return content.decode(encoding, errors)
