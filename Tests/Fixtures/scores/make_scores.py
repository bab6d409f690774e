"""Writes scores.npz: features, images and what torch-fidelity, pytorch-fid, scikit-image and the papers' formulas make of them.

  pip install numpy scipy torch torch-fidelity pytorch-fid scikit-image
  python3 make_scores.py

Features are float32 values of a formula (a sum of sines), so that they are the same everywhere; the two sets differ in
mean and spread. KID and IS are given the positions that torch-fidelity's generator (seed 2020) chooses, because Halftone's
own generator is another one. Density and coverage, which torch-fidelity lacks, are the formulas of Naeem et al. 2020 in
numpy; so are precision and recall a second time.
"""

import numpy as np
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from skimage.metrics import structural_similarity
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

SEED = 2020
D, CLASSES = 12, 7
SUBSETS, SIZE = 8, 60
SPLITS = 5


def features(count, offset, scale):
    i, j = np.arange(count)[:, None] + 1.0, np.arange(D)[None, :] + 1.0
    wave = np.sin(i * j * 0.7391 + offset) + np.sin(i * (j + 2) ** 2 * 0.3177 + 2 * offset)
    return (scale * wave + 0.05 * j + 0.2 * offset).astype(np.float32)


def neighbours(x, k):
    distances = np.linalg.norm(x[:, None] - x[None, :], axis=2)
    return np.sort(distances, axis=1)[:, k]


def manifold(a, b, k):
    """a: generated, b: reference."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    distances = np.linalg.norm(a[:, None] - b[None, :], axis=2)
    balls_a, balls_b = neighbours(a, k), neighbours(b, k)
    inside = distances <= balls_b[None, :]
    precision = inside.any(axis=1).mean()
    recall = (distances <= balls_a[:, None]).any(axis=0).mean()
    density = inside.sum() / (k * len(a))
    coverage = (distances.min(axis=0) <= balls_b).mean()
    return precision, recall, density, coverage


def images(count, height, width, channels):
    n, y, x, c = np.meshgrid(*map(np.arange, (count, height, width, channels)), indexing="ij")
    first = 127.5 + 90 * np.sin(0.31 * x * (1 + n) + 0.17 * y + c) * np.cos(0.23 * y - 0.05 * x * c)
    second = first + 12 * (n + 1) * np.sin(1.7 * x + 2.3 * y * (c + 1)) + 6 * n
    return [np.clip(np.rint(v), 0, 255).astype(np.uint8) for v in (first, second)]


def ssim(a, b):
    """Mean over the places where the 11x11 window lies inside, channel by channel (skimage crops these itself)."""
    return np.array([
        np.mean([
            structural_similarity(x[..., c], y[..., c], data_range=255, gaussian_weights=True, sigma=1.5,
                                  use_sample_covariance=False)
            for c in range(x.shape[2])
        ])
        for x, y in zip(a, b)
    ])


def main():
    a, b = features(150, 1.4, 0.6), features(130, 0.1, 1.0)
    out = {"a": a, "b": b}

    statistics = [fid_features_to_statistics(torch.from_numpy(f)) for f in (a, b)]
    out["fid_torch_fidelity"] = fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    out["fid_pytorch_fid"] = calculate_frechet_distance(
        *[m for f in (a, b) for m in (f.astype(np.float64).mean(axis=0), np.cov(f.astype(np.float64), rowvar=False))])

    kid = kid_features_to_metric(
        torch.from_numpy(a).double(), torch.from_numpy(b).double(), kid_subsets=SUBSETS, kid_subset_size=SIZE,
        kid_kernel="poly", kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1, rng_seed=SEED,
        verbose=False)
    out["kid"] = np.array([kid["kernel_inception_distance_mean"], kid["kernel_inception_distance_std"]])
    rng = np.random.RandomState(SEED)
    choices = [[rng.choice(len(f), SIZE, replace=False) for f in (a, b)] for _ in range(SUBSETS)]
    out["kid_choices"] = np.array(choices, dtype=np.int64)

    head = features(CLASSES, 1.3, 0.4)
    logits = torch.from_numpy(a).double() @ torch.from_numpy(head).double().T
    isc = isc_features_to_metric(logits, splits=SPLITS, shuffle=True, rng_seed=SEED)
    out["head"] = head
    out["is"] = np.array([isc["inception_score_mean"], isc["inception_score_std"]])
    out["is_order"] = np.random.RandomState(SEED).permutation(len(a)).astype(np.int64)

    # torch-fidelity calls the first input generated, too.
    prc = prc_features_to_metric(
        torch.from_numpy(a), torch.from_numpy(b), prc_neighborhood=3, prc_batch_size=1000, save_cpu_ram=False,
        verbose=False)
    ours = manifold(a, b, 3)
    assert np.allclose([prc["precision"], prc["recall"]], ours[:2], atol=1e-12), (prc, ours)
    out["precision_recall"] = np.array(ours[:2])
    out["density_coverage"] = np.array(manifold(a, b, 5)[2:])

    for name, shape in {"grey": (3, 28, 28, 1), "colour": (2, 19, 24, 3)}.items():
        first, second = images(*shape)
        out[f"{name}_first"], out[f"{name}_second"], out[f"{name}_ssim"] = first, second, ssim(first, second)

    np.savez_compressed("scores.npz", **{k: np.asarray(v) for k, v in out.items()})
    for name in sorted(out):
        value = np.asarray(out[name])
        print(name, value if value.size <= 4 else value.shape)


main()
