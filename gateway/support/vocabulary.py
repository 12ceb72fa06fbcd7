"""The words that this program itself uses: read from its own source. Blocking, about a second."""

from __future__ import annotations

import ast
import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

import gateway

# Names of SOP classes and transfer syntaxes come from a dictionary of pydicom, not from our source.
_STANDARD = (
    "RT Beams Beam Ion Brachy Plan Dose Structure Set Image Treatment Summary Record Storage Radiation "
    "Intent Delivery Instruction Segment Annotation Machine Verification Spatial Registration CT MR PET "
    "NM US CR DX RF Ultrasound Computed Radiography Digital Secondary Capture Multi-frame Enhanced "
    "Legacy Converted Positron Emission Tomography Nuclear Medicine Surface Segmentation Encapsulated "
    "PDF Raw Presentation State Key Object Selection Document Comprehensive SR Conventional C-Arm "
    "Tomotherapeutic Robotic-Arm Implicit Explicit VR Little Endian Big Deflated JPEG JPEG-LS RLE HTJ2K "
    "MPEG Lossless Lossy Baseline Extended Process Hierarchical First-Order Prediction Modality "
    "Worklist Information Model FIND MOVE GET Query Retrieve Patient Study Root Unified Procedure Step "
    "Push Pull Watch Event Commitment Performed Notification TLSv1 "
)
_WORD = re.compile(r"\w{2,}")
# The one is full of invented patients, the others speak to people, in examples and several languages.
_NOT = frozenset(("demo", "admin"))


def vocabulary(folder: Path | None = None) -> frozenset[str]:
    """Return the words of the program's texts and identifiers, as written there, and of system errors.

    Comments and descriptions of functions do not count: nothing of them reaches a log.
    """
    folder = folder or Path(gateway.__file__).parent
    words: set[str] = set()
    for path in folder.rglob("*.py"):
        if path.relative_to(folder).parts[0] in _NOT:
            continue
        with contextlib.suppress(OSError, SyntaxError, ValueError):  # fewer words known, fewer words told
            for text in _texts(ast.parse(path.read_text(encoding="utf-8", errors="replace"))):
                words.update(_WORD.findall(text))
    words.update(_WORD.findall(_STANDARD))
    for code in errno.errorcode:
        words.update(_WORD.findall(os.strerror(code)))
    return frozenset(word for word in words if not word.isdigit())


def _texts(tree: ast.AST) -> Iterator[str]:
    descriptions: set[int] = set()
    for node in ast.walk(tree):
        # A text that stands by itself describes what is above it; ast.walk meets it before its content.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            descriptions.add(id(node.value))
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str) and id(node) not in descriptions:
                yield node.value
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg or ""
