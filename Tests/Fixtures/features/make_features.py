"""Writes fashion-mnist-64.npz: the first 64 Fashion-MNIST test images and their classifier features.

An implementation of the classifier of its own, in float64 numpy with im2col, to hold the extractor against:
  python3 make_features.py ../../../models/fashion-mnist-classifier/model.safetensors t10k-images-idx3-ubyte.gz [N [OUT]]
(images: Debian's dataset-fashion-mnist, /usr/share/datasets/fashion-mnist). Without N, 64 images; with N and OUT, the
mean and covariance of the first N images instead.
"""

import gzip
import json
import struct
import sys

import numpy as np


def read_weights(path):
    raw = open(path, "rb").read()
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + size])
    header.pop("__metadata__", None)
    out = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        data = np.frombuffer(raw[8 + size + begin : 8 + size + end], "<f4")
        out[name] = data.reshape(entry["shape"]).astype(np.float64)
    return out


def convolution(x, weight, bias, stride):
    n, c, h, w = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows, columns = (h - 1) // stride + 1, (w - 1) // stride + 1
    patches = np.empty((n, c, 3, 3, rows, columns))
    for i in range(3):
        for j in range(3):
            patches[:, :, i, j] = padded[:, :, i : i + h : stride, j : j + w : stride]
    flat = patches.reshape(n, c * 9, rows * columns)
    y = weight.reshape(weight.shape[0], -1) @ flat + bias[:, None]
    return y.reshape(n, -1, rows, columns)


def group_norm(x, scale, shift, groups=8, epsilon=1e-5):
    n, c, h, w = x.shape
    grouped = x.reshape(n, groups, -1)
    mean = grouped.mean(axis=2, keepdims=True)
    variance = grouped.var(axis=2, keepdims=True)
    y = ((grouped - mean) / np.sqrt(variance + epsilon)).reshape(n, c, h, w)
    return y * scale[:, None, None] + shift[:, None, None]


def features(images, p):
    x = (images / 127.5 - 1)[:, None]
    for layer, stride in zip(range(1, 6), (1, 2, 1, 2, 1)):
        x = convolution(x, p[f"conv{layer}.weight"], p[f"conv{layer}.bias"], stride)
        x = group_norm(x, p[f"norm{layer}.weight"], p[f"norm{layer}.bias"])
        x = x / (1 + np.exp(-x))
    return x.mean(axis=(2, 3))


def main():
    parameters = read_weights(sys.argv[1])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 64
    with gzip.open(sys.argv[2]) as f:
        images = np.frombuffer(f.read()[16:], np.uint8).reshape(-1, 28, 28)[:count]
    values = np.concatenate([features(images[i : i + 64], parameters) for i in range(0, count, 64)])
    if len(sys.argv) > 4:
        np.savez(sys.argv[4], mu=values.mean(axis=0), sigma=np.cov(values, rowvar=False))
    else:
        np.savez_compressed("fashion-mnist-64.npz", images=images[..., None], features=values)


if __name__ == "__main__":
    main()
