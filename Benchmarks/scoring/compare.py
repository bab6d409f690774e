"""Times Halftone and pytorch-fid on the same images, and both ways to the trace term of a Fréchet distance, taking turns.

  python3 compare.py WEIGHTS.pth [--halftone .build/release/halftone]

WEIGHTS.pth is the published file of the FID network, or one with the same names and shapes (what
Tests/Fixtures/inception/make_inception.py writes): speed does not depend on the numbers. Every round visits every
program once, so that a slow moment of the machine meets all of them; figures are medians over rounds.

Features: both programs read the same folder of PNGs, resize, run the network, and end with a mean and a covariance.
pytorch-fid runs in this process, so its import and the reading of its weights are not counted; Halftone's whole process
is, less the time that it takes for one image (`statistics` of 2 images: start, weights, and the writing of a file).
Distance: Halftone's `fid` of two statistics files against scipy.linalg.sqrtm of the product of the same covariances.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def write_images(folder, count, size):
    from PIL import Image

    folder.mkdir()
    generator = np.random.default_rng(0)
    for index in range(count):
        small = Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        small.resize((size, size), Image.BICUBIC).save(folder / f"{index:05d}.png")


def halftone(program, threads, *arguments):
    """Seconds, and the peak of resident memory in MiB."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [program, *map(str, arguments), "--threads", str(threads), "--quiet"], stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        # What wait4 reports includes this process's own peak, from before the exec.
        peak = max(peak, peak_kibibytes(process.pid))
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit("halftone failed")
    return time.perf_counter() - started, peak / 1024


def peak_kibibytes(pid):
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def time_features(arguments, folder):
    import pytorch_fid.fid_score as fid_score
    import pytorch_fid.inception as inception
    import torch

    torch.set_num_threads(arguments.threads)
    state = torch.load(arguments.weights)
    inception.load_state_dict_from_url = lambda *_, **__: state
    network = inception.InceptionV3([3]).eval()
    few = folder / "few"
    many = folder / "many"
    write_images(few, 2, arguments.size)
    write_images(many, arguments.images, arguments.size)

    def peer(batch):
        files = sorted(many.glob("*.png"))
        started = time.perf_counter()
        fid_score.calculate_activation_statistics(files, network, batch, 2048, "cpu", arguments.workers)
        return time.perf_counter() - started

    def ours(images):
        return halftone(
            arguments.halftone, arguments.threads, "stats", images, "--features", f"inception={arguments.weights}",
            "--out", folder / "stats.npz")

    for images in (few, many):
        ours(images)
    peer(8)
    times = {"Halftone": [], "pytorch-fid, batch 8": [], "pytorch-fid, batch 50": []}
    memory = 0
    for _ in range(arguments.rounds):
        start, _ = ours(few)
        whole, peak = ours(many)
        memory = max(memory, peak)
        times["Halftone"].append((arguments.images - 2) / (whole - start))
        times["pytorch-fid, batch 8"].append(arguments.images / peer(8))
        times["pytorch-fid, batch 50"].append(arguments.images / peer(50))
    peer_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    best = max(statistics.median(v) for k, v in times.items() if k != "Halftone")
    print(f"features of {arguments.images} images of {arguments.size}x{arguments.size}, {arguments.threads} threads")
    for name, values in times.items():
        rate = statistics.median(values)
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(f"  {name}: {rate:.2f} images/s ({spread}); {rate / best:.2f} of pytorch-fid's best")
    print(f"  peak memory: Halftone {memory:.0f} MiB, this process with pytorch-fid {peer_memory:.0f} MiB")


def time_distance(arguments, folder):
    import scipy.linalg

    generator = np.random.default_rng(1)
    d = arguments.dimension
    files, covariances = [], []
    for name in ("a", "b"):
        # Eigenvalues that fall by six orders of magnitude, as those of features do.
        mixing = generator.standard_normal((d, d)) * np.logspace(0, -3, d)
        covariance = mixing.T @ mixing / d
        covariance = (covariance + covariance.T) / 2
        files.append(folder / f"{name}.npz")
        np.savez(files[-1], mu=generator.standard_normal(d) * 0.1, sigma=covariance)
        covariances.append(covariance)

    def peer():
        started = time.perf_counter()
        scipy.linalg.sqrtm(covariances[0] @ covariances[1])
        return time.perf_counter() - started

    halftone(arguments.halftone, arguments.threads, "fid", *files)
    ours, theirs, memory = [], [], 0
    for _ in range(arguments.rounds):
        seconds, peak = halftone(arguments.halftone, arguments.threads, "fid", *files)
        memory = max(memory, peak)
        ours.append(seconds)
        theirs.append(peer())
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"Fréchet distance of d = {d}")
    print(f"  halftone fid, reading both files: {a:.2f} s ({min(ours):.2f} to {max(ours):.2f}), peak {memory:.0f} MiB")
    print(f"  scipy.linalg.sqrtm alone: {b:.2f} s ({min(theirs):.2f} to {max(theirs):.2f})")
    print(f"  ratio {b / a:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--halftone", default=str(Path(__file__).resolve().parents[2] / ".build/release/halftone"))
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--workers", type=int, default=0, help="processes that load images for pytorch-fid")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dimension", type=int, default=2048)
    parser.add_argument("--only", choices=["features", "distance"])
    arguments = parser.parse_args()
    arguments.weights = arguments.weights.resolve()
    with tempfile.TemporaryDirectory() as name:
        if arguments.only != "distance":
            time_features(arguments, Path(name))
        if arguments.only != "features":
            time_distance(arguments, Path(name))


sys.exit(main())
