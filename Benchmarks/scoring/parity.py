"""Compares Halftone's whole way from image files to scores with pytorch-fid's and torch-fidelity's, on the same files and weights.

  python3 parity.py WEIGHTS.pth [--halftone .build/release/halftone]

WEIGHTS.pth is the published file of the FID network, or one with the same names and shapes (what
Tests/Fixtures/inception/make_inception.py writes). Images are made here: two folders of PNGs, and one of JPEGs. Printed are
mean features (largest difference over the largest value) and Fréchet distances (relative difference). Distances are compared
where there are more images than features: with fewer, scipy's matrix square root itself is off by more than 1e-6.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch


def write_images(folder, count, seed, suffix):
    from PIL import Image

    folder.mkdir()
    generator = np.random.default_rng(seed)
    for index in range(count):
        small = Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        small.resize((48, 40), Image.BICUBIC).save(folder / f"{index:05d}{suffix}")


def statistics_of_pytorch_fid(weights, folder, dimension):
    import pytorch_fid.fid_score as fid_score
    import pytorch_fid.inception as inception

    state = torch.load(weights)
    inception.load_state_dict_from_url = lambda *_, **__: state
    network = inception.InceptionV3([inception.InceptionV3.BLOCK_INDEX_BY_DIM[dimension]]).eval()
    return fid_score.calculate_activation_statistics(
        sorted(folder.iterdir()), network, 16, dimension, "cpu", num_workers=0)


def statistics_of_torch_fidelity(weights, folder):
    from PIL import Image
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(weights)).eval()
    parts = []
    for file in sorted(folder.iterdir()):
        pixels = torch.from_numpy(np.array(Image.open(file).convert("RGB"))).permute(2, 0, 1)[None]
        with torch.no_grad():
            parts.append(network(pixels)[0].double().numpy())
    features = np.concatenate(parts)
    return features.mean(0), np.cov(features, rowvar=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--halftone", default=str(Path(__file__).resolve().parents[2] / ".build/release/halftone"))
    parser.add_argument("--images", type=int, default=80)
    arguments = parser.parse_args()
    weights = arguments.weights.resolve()

    def halftone(*words):
        return subprocess.run(
            [arguments.halftone, *map(str, words), "--quiet"], check=True, capture_output=True, text=True).stdout

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_images(root / "a", arguments.images, 1, ".png")
        write_images(root / "b", arguments.images, 2, ".png")
        write_images(root / "jpeg", arguments.images, 1, ".jpg")

        def compare(title, folder, features, mode, theirs):
            halftone("stats", folder, "--features", f"{features}={weights}", "--mode", mode, "--out", root / "ours.npz")
            mean = np.load(root / "ours.npz")["mu"]
            print(f"  {title}: {np.abs(mean - theirs[0]).max() / np.abs(theirs[0]).max():.1e}")

        print("mean features")
        names = {64: "inception-64", 192: "inception-192", 768: "inception-768", 2048: "inception"}
        for dimension, features in names.items():
            theirs = statistics_of_pytorch_fid(weights, root / "a", dimension)
            compare(f"pytorch-fid, d = {dimension}", root / "a", features, "pytorch-fid", theirs)
        compare(
            "pytorch-fid, d = 2048, JPEGs", root / "jpeg", "inception", "pytorch-fid",
            statistics_of_pytorch_fid(weights, root / "jpeg", 2048))
        compare(
            "torch-fidelity, d = 2048", root / "a", "inception", "torch-fidelity",
            statistics_of_torch_fidelity(weights, root / "a"))

        import pytorch_fid.fid_score as fid_score

        print("Fréchet distance")
        sides = [statistics_of_pytorch_fid(weights, root / folder, 64) for folder in ("a", "b")]
        theirs = fid_score.calculate_frechet_distance(*sides[0], *sides[1])
        report = halftone("fid", root / "a", root / "b", "--features", f"inception-64={weights}", "--json")
        ours = json.loads(report)["distance"]
        print(f"  pytorch-fid, d = 64, from the images: {theirs:.8f}, Halftone {ours:.8f}: {abs(ours - theirs) / theirs:.1e}")
        for folder, (mean, covariance) in zip(("a", "b"), sides):
            np.savez(root / f"{folder}.npz", mu=mean, sigma=covariance)
        ours = json.loads(halftone("fid", root / "a.npz", root / "b.npz", "--json"))["distance"]
        print(f"  the same from pytorch-fid's statistics: {abs(ours - theirs) / theirs:.1e}")


sys.exit(main())
