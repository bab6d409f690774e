"""Times Halftone and other engines on one network, taking turns in one run, and prints one table of ratios.

The network is a folder of this one's neighbours (--model), a U-Net or a first stage's decoder, with random weights: each engine gets
the same architecture, not the same numbers. PyTorch and the exported graphs are diffusers'; a network that diffusers does not have is
exported by Halftone, and PyTorch is left out.
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
# Our float variants as the table calls them; every other one is the quantised network.
OURS = {"winograd": "Halftone", "float": "Halftone direct"}


class Subject:
    """One network: its module, and its inputs by name."""

    def __init__(self, folder, size):
        self.folder = Path(folder)
        # The network itself, in a folder of its parts.
        self.part = self.folder / "unet" if (self.folder / "unet").is_dir() else self.folder
        self.config = json.loads((self.part / "config.json").read_text())
        self.kind = self.config["_class_name"]
        self.is_decoder = self.kind in ("AutoencoderKL", "VQModel")
        self.size = size
        # Whether the exported graph is Halftone's, whose inputs have other names.
        self.is_ours = False

    def options(self):
        """Halftone's, for this network at this size."""
        found = ["--component", "decoder"] if self.is_decoder else []
        if self.size:
            side = self.size * 2 ** (len(self.config["block_out_channels"]) - 1) if self.is_decoder else self.size
            found += ["--size", f"{side}x{side}"]
        return found

    def network(self):
        import diffusers
        import torch

        kind = getattr(diffusers, self.kind)
        whole = kind.from_config(kind.load_config(str(self.part)))

        class Denoiser(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.unet = whole

            def forward(self, sample, timestep, context=None):
                operands = () if context is None else (context,)
                return self.unet(sample, timestep, *operands, return_dict=False)[0]

        class Decoder(torch.nn.Module):
            """What follows the nearest codes, as our decoder's graph does."""

            def __init__(self):
                super().__init__()
                self.post_quant_conv = whole.post_quant_conv
                self.decoder = whole.decoder

            def forward(self, sample):
                return self.decoder(self.post_quant_conv(sample))

        torch.manual_seed(0)
        return (Decoder() if self.is_decoder else Denoiser()).eval()

    def shapes(self, batch):
        config = self.config
        if self.is_decoder:
            side = self.size or 64
            return {"sample": [batch, config["latent_channels"], side, side]}
        side = self.size or config["sample_size"]
        if self.is_ours:
            height, width = side if isinstance(side, list) else (side, side)
            return {"x": [batch, config["in_channels"], height, width], "t": [batch]}
        found = {"sample": [batch, config["in_channels"], side, side], "timestep": [batch]}
        if self.kind == "UNet2DConditionModel":
            found["context"] = [batch, 1, config["cross_attention_dim"]]
        return found

    def inputs(self, batch, seed=0):
        import numpy as np

        generator = np.random.default_rng(seed)
        return {
            name: np.full(shape, 500, "int64" if name == "timestep" else "float32") if name in ("timestep", "t")
            else generator.standard_normal(shape).astype("float32")
            for name, shape in self.shapes(batch).items()
        }


def pytorch(subject, network, threads):
    import torch

    torch.set_num_threads(threads)
    module = network.to(memory_format=torch.channels_last)

    def run(batch):
        values = {name: torch.from_numpy(value) for name, value in subject.inputs(batch).items()}
        values["sample"] = values["sample"].to(memory_format=torch.channels_last)
        with torch.inference_mode():
            started = time.perf_counter()
            module(**values)
            return time.perf_counter() - started

    return run


def export(subject, network, path):
    import torch

    values = {name: torch.from_numpy(value) for name, value in subject.inputs(2).items()}
    # The older exporter: what the newer one writes, ONNX Runtime's quantiser turns into a graph that does not load.
    torch.onnx.export(
        network, tuple(values.values()), str(path), input_names=list(values), output_names=["result"], dynamo=False,
        opset_version=17, dynamic_axes={name: {0: "batch"} for name in values})


def onnx_runtime(subject, path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(batch):
        values = subject.inputs(batch)
        started = time.perf_counter()
        session.run(None, values)
        return time.perf_counter() - started

    return run


def quantize_onnx(subject, source, target):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.batches = iter([subject.inputs(1, seed) for seed in range(4)])

        def get_next(self):
            return next(self.batches, None)

    prepared = Path(str(target) + ".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared), str(target), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


def openvino_models(subject, path, samples):
    import nncf
    import openvino

    model = openvino.Core().read_model(str(path))
    dataset = nncf.Dataset([subject.inputs(1, seed) for seed in range(samples)])
    quantized = nncf.quantize(model, dataset, subset_size=samples)
    return model, quantized


def openvino_engine(subject, model, threads, batches):
    import openvino

    core = openvino.Core()
    compiled = {}
    for batch in batches:
        model.reshape(subject.shapes(batch))
        settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        compiled[batch] = core.compile_model(model, "CPU", settings).create_infer_request()

    def run(batch):
        values = subject.inputs(batch)
        started = time.perf_counter()
        compiled[batch].infer(values)
        return time.perf_counter() - started

    return run


class Halftone:
    """`halftone bench --driven`: one round when asked."""

    def __init__(self, program, recipes, subject):
        self.process = subprocess.Popen(
            [program, "bench", str(subject.folder), "--random-weights", "--driven", "--quiet", *subject.options(),
             *(text for recipe in recipes for text in ("--quantized", recipe))],
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
    parser.add_argument("--model", default=str(HERE.parent / "cifar10-ddpm"), help="a folder with config.json")
    parser.add_argument("--size", type=int, help="side of images, of a decoder's latents")
    parser.add_argument(
        "--recipe", help="what our network is quantised by; several, comma-separated (default: rtn-w8a8, decoder-w8a8)")
    parser.add_argument("--samples", type=int, default=16, help="that NNCF calibrates on")
    parser.add_argument("--threads", default=str(os.cpu_count()), help="as in 1,2: one table for each")
    parser.add_argument("--batch", default="1,8")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--skip", default="", help="engines to leave out, by their names in the table, comma-separated")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    batches = [int(text) for text in arguments.batch.split(",")]
    skipped = arguments.skip.split(",")

    subject = Subject(arguments.model, arguments.size)
    recipes = (arguments.recipe or ("decoder-w8a8" if subject.is_decoder else "rtn-w8a8")).split(",")
    halftone = Halftone(arguments.halftone, recipes, subject)
    integers = [integer_name(recipe, recipes) for recipe in recipes]
    table = []
    with tempfile.TemporaryDirectory() as folder:
        files = Files(subject, Path(folder), skipped, arguments.samples, arguments.halftone)
        for threads in [int(text) for text in arguments.threads.split(",")]:
            engines = files.engines(threads, batches, skipped)
            found = timed(halftone, engines, recipes, threads, batches, arguments.rounds)
            rows = medians(found, ["Halftone", "Halftone direct", *integers, *engines], threads, batches)
            print(f"{threads} {'thread' if threads == 1 else 'threads'}:\n")
            print_table(rows, batches, integers)
            print(flush=True)
            table += rows
            # Before the next ones are made: a large network has no room twice.
            del engines
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(table, indent=2) + "\n")


class Files:
    """The network as each engine takes it, made once for all numbers of threads."""

    def __init__(self, subject, folder, skipped, samples, program):
        self.subject, self.network = subject, None
        self.exported, self.int8 = folder / "network.onnx", folder / "int8.onnx"
        try:
            self.network = subject.network()
        except Exception as error:
            print(f"diffusers cannot build the network: {type(error).__name__}: {str(error).splitlines()[0]}")
            subject.is_ours = True
            subprocess.run(
                [program, "export", str(subject.folder), "--random-weights", "--format", "onnx", "--out",
                 str(self.exported), "--quiet", *subject.options()], check=True)
        else:
            export(subject, self.network, self.exported)
        self.models = None
        if not {"OpenVINO", "OpenVINO int8"} <= set(skipped):
            self.models = openvino_models(subject, self.exported, samples)

    def engines(self, threads, batches, skipped):
        """By name: a function from a batch to seconds."""

        def onnx_int8():
            if not self.int8.exists():
                quantize_onnx(self.subject, self.exported, self.int8)
            return onnx_runtime(self.subject, self.int8, threads)

        makers = {
            "PyTorch": lambda: pytorch(self.subject, self.network, threads),
            "ONNX Runtime": lambda: onnx_runtime(self.subject, self.exported, threads),
            "ONNX Runtime int8": onnx_int8,
            "OpenVINO": lambda: openvino_engine(self.subject, self.models[0], threads, batches),
            "OpenVINO int8": lambda: openvino_engine(self.subject, self.models[1], threads, batches),
        }
        engines = {}
        for name, make in makers.items():
            if name in skipped or (name == "PyTorch" and self.network is None):
                continue
            try:
                engines[name] = make()
            except Exception as error:  # An engine that cannot take the network is reported, not hidden.
                print(f"{name} is left out: {type(error).__name__}: {str(error).splitlines()[0]}")
        return engines


def timed(halftone, engines, recipes, threads, batches, rounds):
    """By batch: each round's lower probe, and its seconds per image by name."""
    found = {batch: [] for batch in batches}
    for batch in batches:
        for round in range(rounds + 1):
            ours = halftone.round(threads, batch)
            seconds = {OURS.get(name) or integer_name(name, recipes): entry["seconds"] for name, entry in ours.items()}
            for name, run in engines.items():
                seconds[name] = run(batch) / batch
            # Round 0 warms up. The round's second probe is the first one of what comes after it.
            if round > 0:
                found[batch].append((min(entry["probe"] for entry in ours.values()), seconds))
    return found


def medians(found, names, threads, batches):
    rows = []
    for batch in batches:
        best = max(probe for probe, _ in found[batch])
        clean = [seconds for probe, seconds in found[batch] if probe >= 0.85 * best]
        for name in names:
            values = [seconds[name] for seconds in clean]
            rows.append({
                "engine": name, "threads": threads, "batch": batch, "milliseconds": 1000 * statistics.median(values),
                "fastest": 1000 * min(values), "slowest": 1000 * max(values), "rounds": len(clean)})
    return rows


def integer_name(recipe, recipes):
    """What the table calls our quantised network; one file or recipe alone is "Halftone int8"."""
    return "Halftone int8" if len(recipes) == 1 else f"Halftone {Path(recipe).stem}"


def print_table(table, batches, integers):
    """Milliseconds per image, and how many times faster ours is: float beside float, each of our integer ones beside theirs."""
    find = {(row["engine"], row["batch"]): row["milliseconds"] for row in table}
    names = list(dict.fromkeys(row["engine"] for row in table))
    print("| engine | " + " | ".join(f"batch {b}, ms per image | Halftone is faster by" for b in batches) + " |")
    print("| --- | " + " | ".join("---: | ---:" for _ in batches) + " |")
    for name in names:
        ours = [] if name in integers else integers if name.endswith("int8") else ["Halftone"]
        cells = []
        for batch in batches:
            cells.append(f"{find[name, batch]:.1f}")
            cells.append(", ".join(f"{find[name, batch] / find[own, batch]:.2f}x" for own in ours if own != name))
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
