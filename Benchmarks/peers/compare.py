"""Times Halftone and other engines on one network, taking turns in one run, and prints one table of ratios.

The network is ../cifar10-ddpm with random weights: each engine gets the same architecture, not the same numbers.
Every round visits every engine once, so a slow moment of the machine meets all of them; figures are medians over rounds
in which the probe of the machine's peak rate, made by Halftone, reached 85% of the best.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
NETWORK = HERE.parent / "cifar10-ddpm"
# Our float variants as the table calls them; every other one is the quantised network.
OURS = {"winograd": "Halftone", "float": "Halftone direct"}


def build_network():
    """The diffusers network with random weights, as a module of (sample, timestep)."""
    import torch
    from diffusers import UNet2DModel

    class Denoiser(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unet = UNet2DModel.from_config(UNet2DModel.load_config(str(NETWORK)))

        def forward(self, sample, timestep):
            return self.unet(sample, timestep, return_dict=False)[0]

    torch.manual_seed(0)
    return Denoiser().eval()


def inputs(batch, seed=0):
    import numpy as np

    generator = np.random.default_rng(seed)
    return {
        "sample": generator.standard_normal((batch, 3, 32, 32)).astype("float32"),
        "timestep": np.full(batch, 500, "int64"),
    }


def pytorch(network, threads):
    import torch

    torch.set_num_threads(threads)
    module = network.to(memory_format=torch.channels_last)

    def run(batch):
        values = {name: torch.from_numpy(value) for name, value in inputs(batch).items()}
        values["sample"] = values["sample"].to(memory_format=torch.channels_last)
        with torch.inference_mode():
            started = time.perf_counter()
            module(**values)
            return time.perf_counter() - started

    return run


def export(network, path):
    import torch

    values = {name: torch.from_numpy(value) for name, value in inputs(2).items()}
    # The older exporter: what the newer one writes, ONNX Runtime's quantiser turns into a graph that does not load.
    torch.onnx.export(
        network, (values["sample"], values["timestep"]), str(path), input_names=["sample", "timestep"],
        output_names=["noise"], dynamo=False, opset_version=17,
        dynamic_axes={"sample": {0: "batch"}, "timestep": {0: "batch"}})


def onnx_runtime(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(batch):
        values = inputs(batch)
        started = time.perf_counter()
        session.run(None, values)
        return time.perf_counter() - started

    return run


def quantize_onnx(source, target):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.batches = iter([inputs(1, seed) for seed in range(4)])

        def get_next(self):
            return next(self.batches, None)

    prepared = Path(str(target) + ".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared), str(target), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


def openvino_models(path):
    import nncf
    import openvino

    model = openvino.Core().read_model(str(path))
    dataset = nncf.Dataset([inputs(1, seed) for seed in range(16)])
    quantized = nncf.quantize(model, dataset, subset_size=16)
    return model, quantized


def openvino_engine(model, threads, batches):
    import openvino

    core = openvino.Core()
    compiled = {}
    for batch in batches:
        model.reshape({"sample": [batch, 3, 32, 32], "timestep": [batch]})
        settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        compiled[batch] = core.compile_model(model, "CPU", settings).create_infer_request()

    def run(batch):
        values = inputs(batch)
        started = time.perf_counter()
        compiled[batch].infer(values)
        return time.perf_counter() - started

    return run


class Halftone:
    """`halftone bench --driven`: one round when asked."""

    def __init__(self, program, recipe):
        self.process = subprocess.Popen(
            [program, "bench", str(NETWORK), "--random-weights", "--quantized", recipe, "--driven", "--quiet"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def round(self, threads, batch):
        self.process.stdin.write(f"{threads} {batch}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"halftone ended with status {self.process.wait()}")
        return json.loads(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--halftone", default=str(HERE.parent.parent / ".build/release/halftone"))
    parser.add_argument("--recipe", default="rtn-w8a8")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batch", default="1,8")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--skip", default="", help="engines to leave out, by their names in the table, comma-separated")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    batches = [int(text) for text in arguments.batch.split(",")]
    skipped = arguments.skip.split(",")

    halftone = Halftone(arguments.halftone, arguments.recipe)
    engines = {}
    with tempfile.TemporaryDirectory() as folder:
        network, exported = build_network(), Path(folder) / "network.onnx"
        export(network, exported)
        makers = {
            "PyTorch": lambda: pytorch(network, arguments.threads),
            "ONNX Runtime": lambda: onnx_runtime(exported, arguments.threads),
        }

        def onnx_int8():
            target = Path(folder) / "int8.onnx"
            quantize_onnx(exported, target)
            return onnx_runtime(target, arguments.threads)

        makers["ONNX Runtime int8"] = onnx_int8
        if not {"OpenVINO", "OpenVINO int8"} <= set(skipped):
            model, quantized = openvino_models(exported)
            makers["OpenVINO"] = lambda: openvino_engine(model, arguments.threads, batches)
            makers["OpenVINO int8"] = lambda: openvino_engine(quantized, arguments.threads, batches)
        for name, make in makers.items():
            if name in skipped:
                continue
            try:
                engines[name] = make()
            except Exception as error:  # An engine that cannot take the network is reported, not hidden.
                print(f"{name} is left out: {type(error).__name__}: {str(error).splitlines()[0]}")

        times = {}
        probes = {}
        for batch in batches:
            for round in range(arguments.rounds + 1):
                ours = halftone.round(arguments.threads, batch)
                found = {OURS.get(name, "Halftone int8"): entry["seconds"] for name, entry in ours.items()}
                for name, run in engines.items():
                    found[name] = run(batch) / batch
                # Round 0 warms up. The round's second probe is the first one of what comes after it.
                if round == 0:
                    continue
                probes.setdefault(batch, []).append(min(entry["probe"] for entry in ours.values()))
                for name, seconds in found.items():
                    times.setdefault((name, batch), []).append(seconds)

    table = []
    for batch in batches:
        best = max(probes[batch])
        clean = [index for index, probe in enumerate(probes[batch]) if probe >= 0.85 * best]
        for name in ["Halftone", "Halftone direct", "Halftone int8", *engines]:
            values = [times[name, batch][index] for index in clean] or times[name, batch]
            table.append({
                "engine": name, "batch": batch, "milliseconds": 1000 * statistics.median(values),
                "fastest": 1000 * min(values), "slowest": 1000 * max(values), "rounds": len(clean)})
    print_table(table, batches)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(table, indent=2) + "\n")


def print_table(table, batches):
    """Milliseconds per image, and how many times faster our engine of the same arithmetic is."""
    find = {(row["engine"], row["batch"]): row["milliseconds"] for row in table}
    names = list(dict.fromkeys(row["engine"] for row in table))
    print("| engine | " + " | ".join(f"batch {b}, ms per image | Halftone is faster by" for b in batches) + " |")
    print("| --- | " + " | ".join("---: | ---:" for _ in batches) + " |")
    for name in names:
        ours = "Halftone int8" if name.endswith("int8") else "Halftone"
        cells = []
        for batch in batches:
            cells.append(f"{find[name, batch]:.1f}")
            cells.append("" if name == ours else f"{find[name, batch] / find[ours, batch]:.2f}x")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
