"""What one image and a batch would take on more threads than were at hand: a model of measured rates, not a measurement.

One image on n threads: each layer takes its largest piece (the cut of Sources/Execution/Fast/WorkGrid.swift) at the rate that one
thread reached on that layer, or the time in which the machine's memory delivers its weights, whichever is longer; then all threads
meet. A batch: every worker computes images of its own, eight together, and needs their weights once.

Usage: threads.py [--meeting MICROSECONDS] [--bandwidth GIGABYTES_PER_SECOND]
"""
import argparse

# cifar10-ddpm in W8A8: taps, side of the map, inputs, outputs, layers, milliseconds of one thread for all of them in a batch of one
# (bench --ops, with the layers' sizes in the names of the work; two virtual cores of an Intel Xeon with AVX-512 VNNI).
LAYERS = [
    (9, 32, 128, 128, 7, 3.35), (9, 16, 256, 256, 7, 3.34), (9, 16, 512, 256, 2, 1.97), (9, 32, 256, 128, 2, 1.87),
    (9, 32, 256, 256, 1, 1.85), (9, 32, 384, 128, 1, 1.36), (9, 8, 256, 256, 9, 1.34), (1, 16, 256, 256, 20, 1.34),
    (9, 8, 512, 256, 3, 0.89), (9, 4, 256, 256, 12, 0.84), (9, 16, 384, 256, 1, 0.72), (9, 4, 512, 256, 3, 0.40),
    (9, 32, 128, 3, 1, 0.28), (1, 32, 256, 128, 2, 0.27), (9, 16, 128, 256, 1, 0.26), (1, 16, 512, 256, 2, 0.25),
    (1, 32, 384, 128, 1, 0.20), (9, 16, 128, 128, 1, 0.13), (1, 8, 512, 256, 3, 0.11), (1, 16, 384, 256, 1, 0.09),
    (9, 32, 3, 128, 1, 0.09), (1, 4, 512, 256, 3, 0.05), (1, 16, 128, 256, 1, 0.04), (1, 4, 256, 256, 4, 0.03),
]
# Passes over maps: milliseconds, how many, channels and rows that they are cut by. A normalisation meets three times.
PASSES = [("normalisation, activation, codes", 2.15, 45, 3, 8, 32), ("codes, copies, softmax", 0.75, 37, 1, 8, 16),
          ("attention products", 1.08, 12, 2, 8, 256)]


def largest_share(rows, blocks, workers):
    """The largest piece of WorkGrid's cut, of 1."""
    best = 1.0
    for block_ranges in range(1, min(blocks, workers) + 1):
        row_ranges = max(min(rows, workers // block_ranges), 1)
        best = min(best, -(-rows // row_ranges) * -(-blocks // block_ranges) / (rows * blocks))
    return best


def one_image(threads, meeting, bandwidth):
    compute, imbalance, memory, meetings = 0.0, 0.0, 0.0, 0
    for taps, side, inputs, outputs, count, milliseconds in LAYERS:
        share = largest_share(side, -(-outputs // 32), threads)
        ideal, own = milliseconds / threads, milliseconds * share
        weights = taps * inputs * outputs * count / bandwidth / 1e6
        compute += ideal
        imbalance += own - ideal
        memory += max(weights - own, 0)
        meetings += count
    for _, milliseconds, count, meets, groups, rows in PASSES:
        share = largest_share(rows, groups, threads)
        compute += milliseconds / threads
        imbalance += milliseconds * (share - 1 / threads)
        meetings += count * meets
    waiting = 0.0 if threads == 1 else meetings * meeting / 1e3
    return compute, imbalance, memory, waiting


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--meeting", type=float, default=7.0, help="microseconds in which threads meet")
    parser.add_argument("--bandwidth", type=float, default=100.0, help="GB/s of memory for all threads")
    arguments = parser.parse_args()
    print("| threads | computing, ms | uneven pieces | waiting for weights | meeting | one image, ms | speed-up | "
          "W8A8 batch: GB/s of weights | Winograd batch |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    alone = sum(one_image(1, arguments.meeting, arguments.bandwidth))
    for threads in (1, 2, 8, 16, 64):
        parts = one_image(threads, arguments.meeting, arguments.bandwidth)
        total = sum(parts)
        # Weights once for eight images; a worker's image takes 23.7 ms in W8A8 and 51.8 ms by Winograd.
        traffic = [threads * megabytes / 8 / milliseconds for megabytes, milliseconds in ((35.9, 23.7), (365.9, 51.8))]
        print(f"| {threads} | {parts[0]:.2f} | {parts[1]:.2f} | {parts[2]:.2f} | {parts[3]:.2f} | {total:.1f} | "
              f"{alone / total:.1f}x | {traffic[0]:.1f} | {traffic[1]:.1f} |")
