"""Writes inception.npz: images, and their features by pytorch-fid, torch-fidelity, clean-fid's resize and a PyTorch reading of
guided-diffusion's graph, with weights made by a formula; and resize.npz: Pillow's bicubic resize of mode F.

  pip install numpy pillow torch torch-fidelity pytorch-fid clean-fid
  python3 make_inception.py [WEIGHTS.pth]

Every weight is a function of its name and index (a hash, below; InceptionTests.swift has the same), so no large file is needed.
With WEIGHTS.pth the weights are kept, to run `halftone stats --features inception=WEIGHTS.pth` by hand.

clean-fid runs a TorchScript network that takes (x - 128) / 128 of what its resizer gives; here the resizer is its own, the network
pytorch-fid's. guided-diffusion's TensorFlow graph resizes as torch-fidelity does
and takes (x - 128) * 0.0078125; `mixed_6/conv` is the 1x1 branch of Mixed_6d after its ReLU, of which the first 7 channels
count, positions before channels.
"""

import os
import sys
import tempfile

import numpy as np
import pytorch_fid.inception as pytorch_fid
import torch
from cleanfid.resize import build_resizer
from PIL import Image
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


def bicubic(plane, width, height):
    return np.asarray(Image.fromarray(plane.astype(np.float32)).resize((width, height), Image.BICUBIC))


def resize_fixture():
    """Enlarged, shrunk, one way each, and one axis left alone."""
    y, x = np.meshgrid(np.arange(47), np.arange(61), indexing="ij")
    plane = np.clip(np.rint(127.5 + 150 * np.sin(0.9 * x + 0.2 * y) * np.cos(0.05 * x * y)), 0, 255).astype(np.uint8)
    out = {"plane": plane}
    for width, height in [(90, 70), (23, 19), (200, 11), (61, 20), (17, 47)]:
        out[f"{height}x{width}"] = bicubic(plane, width, height)
    np.savez_compressed("resize.npz", **out)


def main():
    torch.set_num_threads(1)
    network = pytorch_fid._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    for name, block in [("Mixed_5b", pytorch_fid.FIDInceptionA(192, 32)), ("Mixed_7b", pytorch_fid.FIDInceptionE_1(1280))]:
        assert set(getattr(network, name).state_dict()) == set(block.state_dict())
    state = weights(network.state_dict())
    pytorch_fid.load_state_dict_from_url = lambda *_, **__: state
    blocks = [0, 1, 2, 3]
    first = pytorch_fid.InceptionV3(blocks, resize_input=True, normalize_input=True, use_fid_inception=True).eval()
    plain = pytorch_fid.InceptionV3([3], resize_input=False, normalize_input=False, use_fid_inception=True).eval()
    fid_network = pytorch_fid.fid_inception_v3().eval()
    spatial = []
    fid_network.Mixed_6d.branch1x1.register_forward_hook(lambda _m, _i, out: spatial.append(out))

    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(tempfile.mkdtemp(), "weights.pth")
    torch.save(state, path)
    names = ["2048", "logits_unbiased"]
    second = FeatureExtractorInceptionV3("inception", names, feature_extractor_weights_path=path).eval()

    pixels = images()
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    cleaned = np.stack([build_resizer("clean")(image) for image in pixels]).transpose(0, 3, 1, 2)
    with torch.no_grad():
        taps = [v.mean((2, 3)).numpy() if v.shape[2] > 1 else v[:, :, 0, 0].numpy() for v in first(batch.float() / 255)]
        b, logits = [v.numpy() for v in second(batch)]
        clean = plain((torch.from_numpy(cleaned) - 128) / 128)[0][:, :, 0, 0].numpy()
        # torch-fidelity's own resize, TensorFlow 1's.
        from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
        resized = interpolate_bilinear_2d_like_tensorflow1x(batch.float(), size=(299, 299), align_corners=False)
        fid_network((resized - 128) * 0.0078125)
    positions = spatial[0][:, :7].permute(0, 2, 3, 1).reshape(len(pixels), -1).numpy()
    out = {
        "images": pixels, "pytorch_fid": taps[3], "pytorch_fid_64": taps[0], "pytorch_fid_192": taps[1],
        "pytorch_fid_768": taps[2], "torch_fidelity": b, "logits_unbiased": logits, "clean": clean, "spatial": positions}
    np.savez_compressed("inception.npz", **out)
    resize_fixture()
    for name, value in out.items():
        print(name, value.dtype, value.shape, np.abs(value.astype(np.float64)).max())


main()
