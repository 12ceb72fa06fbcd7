"""DICOM Edge Gateway: the box beside the linac."""

__version__ = "0.1.0"
