"""Writes inception.npz: images, and their features by pytorch-fid and torch-fidelity with weights made by a formula.

  pip install numpy torch torch-fidelity pytorch-fid
  python3 make_inception.py [WEIGHTS.pth]

Every weight is a function of its name and index (a hash, below; InceptionTests.swift has the same), so no large file is needed.
With WEIGHTS.pth the weights are kept, to run `halftone stats --features inception=WEIGHTS.pth` by hand.
"""

import os
import sys
import tempfile

import numpy as np
import pytorch_fid.inception as pytorch_fid
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3


def uniform(name, count):
    """In [0, 1): FNV-1a of the name, then SplitMix64 of seed + index; upper 24 bits."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) % 2**64
    z = np.arange(count, dtype=np.uint64) + np.uint64(seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**24


def weights(state):
    out = {}
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            out[name] = tensor
            continue
        u = uniform(name, tensor.numel())
        if name.endswith(("bn.weight", "running_var")):
            values = 0.9 + 0.2 * u
        elif name.endswith(("bias", "running_mean")):
            values = 0.1 * (2 * u - 1)
        else:
            values = (2 * u - 1) * np.sqrt(6 / np.prod(tensor.shape[1:]))
        out[name] = torch.from_numpy(values.astype(np.float32).reshape(tensor.shape))
    return out


def images():
    n, y, x, c = np.meshgrid(np.arange(2), np.arange(40), np.arange(33), np.arange(3), indexing="ij")
    values = 127.5 + 120 * np.sin(0.7 * x * (1 + n) + 0.31 * y * (1 + c)) * np.cos(0.11 * x * y / (1 + n) + c)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def main():
    torch.set_num_threads(1)
    network = pytorch_fid._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    for name, block in [("Mixed_5b", pytorch_fid.FIDInceptionA(192, 32)), ("Mixed_7b", pytorch_fid.FIDInceptionE_1(1280))]:
        assert set(getattr(network, name).state_dict()) == set(block.state_dict())
    state = weights(network.state_dict())
    pytorch_fid.load_state_dict_from_url = lambda *_, **__: state
    first = pytorch_fid.InceptionV3([3], resize_input=True, normalize_input=True, use_fid_inception=True).eval()

    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(tempfile.mkdtemp(), "weights.pth")
    torch.save(state, path)
    second = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=path).eval()

    pixels = images()
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    with torch.no_grad():
        a = first(batch.float() / 255)[0][:, :, 0, 0].numpy()
        b, logits = [v.numpy() for v in second(batch)]
    out = {"images": pixels, "pytorch_fid": a, "torch_fidelity": b, "logits_unbiased": logits}
    np.savez_compressed("inception.npz", **out)
    for name, value in out.items():
        print(name, value.dtype, value.shape, np.abs(value.astype(np.float64)).max())


main()
