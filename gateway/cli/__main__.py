"""`python -m gateway.cli`: the same as `dicom-gateway`."""

from __future__ import annotations

from gateway.cli import main

main()
