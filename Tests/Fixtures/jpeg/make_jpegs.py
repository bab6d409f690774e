"""Writes JPEG files of several kinds, and pixels.npz: what Pillow decodes them to (grey as N x M, colours as N x M x 3).

  pip install numpy pillow
  python3 make_jpegs.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent


def pattern(height, width, channels):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    values = 127.5 + 120 * np.sin(0.31 * x + 0.7 * y * (1 + c)) * np.cos(0.05 * x * y + c)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def main():
    colours = Image.fromarray(pattern(19, 29, 3))
    grey = Image.fromarray(pattern(17, 11, 1)[:, :, 0])
    colours.save(FOLDER / "colours-420.jpg", quality=85, subsampling="4:2:0")
    colours.save(FOLDER / "colours-444.jpg", quality=95, subsampling="4:4:4", restart_marker_blocks=2)
    colours.save(FOLDER / "progressive-422.jpg", quality=70, subsampling="4:2:2", progressive=True)
    colours.save(FOLDER / "stored-rgb.jpg", quality=90, keep_rgb=True)
    grey.save(FOLDER / "grey.jpg", quality=75)
    colours.convert("CMYK").save(FOLDER / "cmyk.jpg", quality=75)
    names = ["colours-420", "colours-444", "progressive-422", "stored-rgb", "grey"]
    np.savez(FOLDER / "pixels.npz", **{name: np.asarray(Image.open(FOLDER / f"{name}.jpg")) for name in names})


main()
