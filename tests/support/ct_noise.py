"""CT, CBCT and dose whose pixels compress as those of real machines do.

Noise with the texture of filtered back-projection lies on a body with bones, air and fat. For measurements of
compression; the demo's phantoms repeat one table of noise, and a compressor finds that out.

What decides how far an image shrinks without loss is the entropy of its noise. So the noise is white noise
shaped in the frequency plane as reconstruction shapes it (a ramp, rolled off by a smooth kernel), of the
strength of pelvis scans: 12 HU for a planning CT, 28 HU for a CBCT, more in the middle of the body. Outside
of the reconstructed circle is nothing, as scanners write it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gateway.demo.synthetic import SyntheticObject, Treatment
from gateway.demo.synthetic.encoding import encode, item, pixel_element_header, uid_for

_Image = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scan:
    """How a scanner sees: noise in HU at the skin, the kernel's roll-off (of Nyquist), shading in HU."""

    noise: float
    roll_off: float
    shading: float


SCANS = {"ct": Scan(12.0, 0.55, 0.0), "cbct": Scan(28.0, 0.45, 60.0)}


def slice_pixels(kind: str = "cbct", seed: int = 1, index: int = 0, matrix: int = 512) -> bytes:
    """Return one slice of `matrix` x `matrix` stored values, 16 bits little endian, HU + 1024, 0 outside."""
    scan = SCANS[kind]
    rng = np.random.default_rng((seed, index, len(kind)))
    x, y, radius = _grid(matrix)
    hounsfield = np.full((matrix, matrix), -1000.0)
    wobble = 1 + 0.02 * np.sin(index / 7)
    body = (x / (0.82 * wobble)) ** 2 + (y / 0.62) ** 2
    hounsfield[body < 1] = -90.0  # fat
    hounsfield[(x / 0.72) ** 2 + (y / 0.52) ** 2 < 1] = 45.0
    for centre in (-0.45, 0.45):  # femoral heads, with marrow
        bone = ((x - centre) / 0.14) ** 2 + ((y - 0.05) / 0.15) ** 2
        hounsfield[bone < 1] = 650.0
        hounsfield[bone < 0.7] = 300.0
    hounsfield[(x / 0.18) ** 2 + ((y + 0.12) / 0.14) ** 2 < 1] = 8.0  # bladder
    hounsfield[((x - 0.03) / 0.05) ** 2 + ((y - 0.25) / 0.04) ** 2 < 1] = -850.0  # gas
    hounsfield[(np.abs(y - 0.75) < 0.02) & (np.abs(x) < 0.6)] = -300.0  # couch
    inside = np.clip(1.15 - body, 0.0, 1.0)
    hounsfield = _smooth(hounsfield, 0.6)
    noise = _texture(matrix, scan.roll_off, rng) * scan.noise * (0.45 + 0.9 * inside)
    stored = np.rint(hounsfield + noise - scan.shading * inside + 1024)
    stored[radius > 1] = 0
    return np.clip(stored, 0, 4095).astype("<u2").tobytes()


def scan_object(kind: str = "cbct", seed: int = 1, index: int = 0, matrix: int = 512) -> SyntheticObject:
    """Return a whole CT or CBCT slice with such pixels."""
    data_set = Treatment(seed).make(kind, 1, index).data_set()
    del data_set.file_meta
    del data_set.PixelData
    data_set.Rows = data_set.Columns = matrix
    data_set.BitsStored = 12
    data_set.HighBit = 11
    native = slice_pixels(kind, seed, index, matrix)
    data = encode(data_set) + pixel_element_header(len(native)) + native
    return SyntheticObject(kind, str(data_set.SOPClassUID), str(data_set.SOPInstanceUID), data)


def dose_object(seed: int = 1, frames: int = 60, matrix: int = 128) -> SyntheticObject:
    """Return an RT Dose of 32 bits: four fields of a box over a target, with a Monte Carlo code's noise."""
    rng = np.random.default_rng((seed, 4))
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, size) for size in (frames, matrix, matrix)), indexing="ij")
    dose = np.zeros(x.shape)
    for along, across in ((x, y), (-x, y), (y, x), (-y, x)):
        dose += np.exp(-0.8 * (along + 1)) / (1 + np.exp((np.maximum(abs(across), abs(z)) - 0.3) / 0.03))
    dose *= 1 + 0.004 * rng.standard_normal(dose.shape)
    native = np.rint(dose / dose.max() * 3.9e9).clip(0, 2**32 - 1).astype("<u4").tobytes()
    data_set = Treatment(seed).make("dose").data_set()
    del data_set.file_meta
    del data_set.PixelData
    data_set.update(item(NumberOfFrames=str(frames), Rows=matrix, Columns=matrix, DoseGridScaling="1.9e-08"))
    data_set.update(item(BitsAllocated=32, BitsStored=32, HighBit=31))
    data_set.SOPInstanceUID = uid_for("noisy dose", seed)
    data = encode(data_set) + pixel_element_header(len(native)) + native
    return SyntheticObject("dose", str(data_set.SOPClassUID), str(data_set.SOPInstanceUID), data)


@functools.lru_cache(maxsize=2)
def _grid(matrix: int) -> tuple[_Image, _Image, _Image]:
    line = np.linspace(-1, 1, matrix)
    x, y = np.meshgrid(line, line)
    return x, y, np.hypot(x, y)


@functools.lru_cache(maxsize=4)
def _frequencies(matrix: int) -> _Image:
    vertical, horizontal = np.fft.fftfreq(matrix) * 2, np.fft.rfftfreq(matrix) * 2
    frequency: _Image = np.hypot(vertical[:, None], horizontal[None, :])  # 1.0 is Nyquist
    return frequency


def _texture(matrix: int, roll_off: float, rng: np.random.Generator) -> _Image:
    """Noise of unit strength with the spectrum of filtered back-projection."""
    frequency = _frequencies(matrix)
    shape = np.sqrt(frequency + 0.02) * np.exp(-((frequency / roll_off) ** 2) / 2)
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((matrix, matrix))) * shape, s=(matrix, matrix))
    textured: _Image = noise / noise.std()
    return textured


def _smooth(image: _Image, width: float) -> _Image:
    """Blur edges as the system does; `width` in pixels."""
    frequency = _frequencies(image.shape[0])
    blurred: _Image = np.fft.irfft2(
        np.fft.rfft2(image) * np.exp(-((frequency * width * np.pi) ** 2) / 2), s=image.shape
    )
    return blurred
