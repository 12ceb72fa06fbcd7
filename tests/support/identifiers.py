"""Small data sets by keyword, as bytes: identifiers of queries, what normalized services carry."""

from __future__ import annotations

from typing import Any

from gateway.demo.synthetic.encoding import encode, item


def identifier(transfer_syntax_uid: str, **attributes: Any) -> bytes:
    """Encode attributes given by DICOM keyword; a list of data sets (`item`) is a sequence."""
    return encode(item(**attributes), transfer_syntax_uid)
