"""Exports models, runs the files in ONNX Runtime and OpenVINO, and holds what they compute against Halftone.

What is held, and the run fails where it is not:
  float networks       largest difference from the reference output, relative to its largest value, at most 5e-5;
  quantised layers     one by one, on equal inputs, against the codes of `--format npz` multiplied here, at most 1e-3;
  quantised networks   the error of quantising, against the float network, within 1 dB of Halftone's at each step; and the difference
                       from Halftone's integer result, on average over the steps, at most 3 dB above the largest that Halftone's own
                       executors of simulated quantisation have from it. A value at the border between two codes falls to either
                       side by its last bit, and each such step moves others over theirs, so that no two orders of summation agree
                       on a whole network. How many steps that makes differs much between images, so that IMAGES are compared.
Both runtimes compute in float32 between their integer layers. Speed is printed and not judged.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FIXTURES = ROOT / "Tests/Fixtures"
FLOAT_LIMIT, LAYER_LIMIT = 5e-5, 1e-3
ERROR_BAND, OWN_BAND = 1.0, 3.0
IMAGES = 32


class Halftone:
    def __init__(self, program):
        self.program = program

    def __call__(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"halftone {' '.join(map(str, arguments))}:\n{done.stderr}")
        return done.stdout

    def export(self, model, out, *options):
        self("export", model, "--format", "onnx", "--out", out, *options)
        onnx.checker.check_model(str(out), full_check=True)
        return out

    def predict(self, model, arrays, folder, *options):
        np.savez(folder / "in.npz", **arrays)
        self("predict", model, "--input", folder / "in.npz", "--out", folder / "out.npz", *options)
        return np.load(folder / "out.npz")["y"]


def runtimes(threads):
    """Each runtime as a function from a file or model to a function from named arrays to y."""

    def onnx_runtime(model):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        # Exact sums where the processor's instructions would saturate 16 bits.
        options.add_session_config_entry("session.x64quantprecision", "1")
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        return lambda arrays: session.run(None, arrays)[0]

    def open_vino(model):
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
        compiled = openvino.Core().compile_model(str(model), "CPU", settings)
        return lambda arrays: np.array(compiled(arrays)[0])

    return {"ONNX Runtime": onnx_runtime, "OpenVINO": open_vino}


def inputs_of(path):
    return {value.name for value in onnx.load(str(path)).graph.input}


def feeds(path, x, t, labels=None, step=None):
    """The arrays that a file takes, of those that a call has."""
    given = {"x": x.astype("f4"), "t": t.astype("f4")}
    if labels is not None:
        given["label"] = labels.astype("i8")
    if step is not None:
        given["step"] = np.array(step, "i8")
    names = inputs_of(path)
    missing = names - set(given)
    if missing:
        sys.exit(f"{path}: inputs {missing} that the check does not know")
    return {name: value for name, value in given.items() if name in names}


def decibels(a, b):
    """How much larger the mean square of a is than that of b."""
    return float(10 * np.log10(np.square(a).mean() / max(np.square(b).mean(), 1e-300)))


def relative(found, expected):
    return float(np.abs(found.astype("f8") - expected).max() / np.abs(expected).max())


class Check:
    def __init__(self, halftone, threads, folder):
        self.halftone, self.threads, self.folder = halftone, threads, folder
        self.runtimes = runtimes(threads)
        self.failures = []
        self.figures = []

    def report(self, what, runtime, figure, value, holds):
        print(f"{what:44} {runtime:13} {figure} {'' if holds else '  FAILED'}", flush=True)
        self.figures.append({"what": what, "runtime": runtime, "value": value, "holds": bool(holds)})
        if not holds:
            self.failures.append(f"{what}, {runtime}: {figure}")

    # Float networks: those of the tests, which have every operation between them, and the embedded ones.

    def golden(self):
        for folder in sorted(FIXTURES.glob("golden*/*/")):
            if not (folder / "io.npz").exists():
                continue
            io = np.load(folder / "io.npz")
            path = self.halftone.export(folder, self.folder / "golden.onnx")
            self.floats(f"float {folder.name}", path, feeds(path, io["x"], io["t"], io.get("labels")), io["y"])

    def floats(self, what, path, arrays, expected):
        for name, runtime in self.runtimes.items():
            difference = relative(runtime(path)(arrays), expected)
            self.report(what, name, f"{difference:.1e}", difference, difference <= FLOAT_LIMIT)

    # Quantised layers, each as a graph of its own.

    def layers(self, what, model, step):
        options = [] if step is None else ["--steps", step]
        path = self.halftone.export(model, self.folder / "layers.onnx", *options)
        codes_path = self.folder / "codes.npz"
        self.halftone("export", model, "--format", "npz", "--out", codes_path)
        codes = np.load(codes_path)
        graph = onnx.shape_inference.infer_shapes(onnx.load(str(path)))
        producers = {output: node for node in graph.graph.node for output in node.output}
        paths = sorted({name.split("/")[1] for name in codes.files if name.startswith("weights/")})
        worst = {name: (0.0, "") for name in self.runtimes}
        count = 0
        for layer in paths:
            site = f"{layer}:input"
            if f"activations/{site}/scales" not in codes.files or layer not in producers:
                continue
            if codes[f"activations/{site}/scales"].shape[1] > 1:
                continue
            conversion = producers[producers[site].input[0]] if site in producers else None
            if conversion is None or conversion.op_type != "QuantizeLinear":
                continue
            entry = conversion.input[0]
            piece = self.folder / "layer.onnx"
            onnx.save(onnx.utils.Extractor(graph).extract_model([entry], [layer]), piece)
            x, expected = layer_by_codes(codes, layer, site, producers[layer], step or 0, graph, producers)
            for name, runtime in self.runtimes.items():
                difference = relative(runtime(piece)({entry: x}), expected)
                worst[name] = max(worst[name], (difference, layer))
            count += 1
        for name, (difference, layer) in worst.items():
            figure = f"{difference:.1e} at the worst of {count} ({layer})"
            self.report(f"layers of {what}", name, figure, difference, count > 0 and difference <= LAYER_LIMIT)

    # Quantised networks, at the steps that tables are for.

    def quantised(self, what, float_model, model, x, labels=None, options=()):
        path = self.halftone.export(model, self.folder / "quantised.onnx", *options)
        metadata = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
        timesteps = json.loads(metadata["halftone.timesteps"])
        first = int(metadata["halftone.first_step"])
        calls = []
        for step in sorted({0, len(timesteps) // 2, len(timesteps) - 1}):
            t = np.full(len(x), timesteps[step], "f4")
            call = {"x": x, "t": t} | ({} if labels is None else {"labels": labels})
            calls.append((call, ["--step", first + step], feeds(path, x, t, labels, first + step)))
        self.networks(what, path, float_model, model, calls)

    def quantised_decoder(self, what, float_model, model, z):
        path = self.halftone.export(model, self.folder / "quantised.onnx", "--component", "decoder")
        self.networks(what, path, float_model, model, [({"x": z}, [], {"x": z})], "--component", "decoder")

    def networks(self, what, path, float_model, model, calls, *component):
        found = {name: [] for name in self.runtimes}
        for call, step, arrays in calls:
            def ours(model, *options):
                return self.halftone.predict(model, call, self.folder, *component, *options).astype("f8")

            integer, plain = ours(model, *step), ours(float_model)
            simulated = [ours(model, *step, "--executor", kind) for kind in ("reference", "float")]
            own = min(decibels(integer - plain, y - integer) for y in simulated)
            for name, runtime in self.runtimes.items():
                y = runtime(path)(arrays).astype("f8")
                found[name].append((decibels(y - plain, integer - plain), decibels(integer - plain, y - integer), own))
        for name, rows in found.items():
            figure = "; ".join(
                f"error {error:+.2f} dB, {apart:.0f} dB above the difference (own {own:.0f})"
                for error, apart, own in rows)
            farther = sum(own - apart for _, apart, own in rows) / len(rows)
            holds = all(abs(error) <= ERROR_BAND for error, _, _ in rows) and farther <= OWN_BAND
            figure += f"; {farther:+.1f} dB farther than own on average"
            self.report(what, name, figure, rows, holds)

    # Speed: milliseconds an image, medians.

    def speed(self, what, paths, model, x, t, quantized=None, step=None):
        rows = {}
        for name, runtime in self.runtimes.items():
            for kind, path in paths.items():
                run, arrays = runtime(path), feeds(path, x, t, None, step)
                run(arrays)
                times = []
                for _ in range(9):
                    start = time.perf_counter()
                    run(arrays)
                    times.append((time.perf_counter() - start) / len(x) * 1e3)
                rows[f"{name}{kind}"] = sorted(times)[4]
        options = [] if quantized is None else ["--quantized", quantized]
        bench = json.loads(
            self.halftone("bench", model, "--batch", len(x), "--threads", self.threads, "--json", "-q", *options))
        for entry in bench["rows"]:
            rows[f"Halftone, {entry['model']}"] = entry["milliseconds_per_image"]
        for name, value in sorted(rows.items(), key=lambda row: row[1]):
            print(f"speed of {what:35} {name:34} {value:8.2f} ms/image", flush=True)
            self.figures.append({"what": f"speed of {what}", "runtime": name, "value": value})


def layer_by_codes(codes, layer, site, node, step, graph, producers):
    """Random inputs of a layer on its grid's range, and what its codes make of them in Double."""
    scales, zeros = codes[f"activations/{site}/scales"], codes[f"activations/{site}/zero_points"]
    row = min(step, len(scales) - 1)
    scale, zero = scales[row, 0], int(zeros[row, 0])
    levels = 2 ** int(codes[f"activations/{site}/bits"])
    weight = codes[f"weights/{layer}/codes"].astype("f8")
    by_row = [-1] + [1] * (weight.ndim - 1)
    # One scale for the tensor, or one a row: what is split stands elsewhere.
    weight = (weight - codes[f"weights/{layer}/zero_points"].reshape(by_row)) * codes[
        f"weights/{layer}/scales"].astype("f8").reshape(by_row)
    dims = next(
        [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in list(graph.graph.value_info) + list(graph.graph.input)
        if value.name == producers[producers[site].input[0]].input[0])
    generator = np.random.default_rng(len(layer))
    middle = (levels / 2 - zero) * scale
    x = (middle + generator.standard_normal([2] + dims[1:]) * levels / 5 * scale).astype("f4")
    # Away from the border between two codes, which a division and a product with the reciprocal round apart.
    fraction = x / scale - np.floor(x / scale)
    x = np.where(np.abs(fraction - 0.5) < 1e-3, (np.floor(x / scale) + 0.25) * scale, x).astype("f4")
    grid = np.clip(np.rint(x * (np.float32(1) / scale)) + zero, 0, levels - 1)
    operand = (grid - zero) * np.float64(scale)
    initial = {array.name: onnx.numpy_helper.to_array(array) for array in graph.graph.initializer}
    if node.op_type == "Conv":
        settings = {a.name: list(a.ints) for a in node.attribute}
        top, left, bottom, right = settings["pads"]
        padded = np.pad(operand, ((0, 0), (0, 0), (top, bottom), (left, right)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
        windows = windows[:, :, :: settings["strides"][0], :: settings["strides"][1]]
        result = np.einsum("nchwij,ocij->nohw", windows, weight, optimize=True)
        bias = initial[node.input[2]] if len(node.input) > 2 else 0.0
        return x, result + np.reshape(bias, [-1, 1, 1])
    result = operand @ weight.T
    biases = [initial[name] for name in node.input if name in initial and node.op_type == "Add"]
    return x, result + (biases[0] if biases else 0.0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=str(ROOT / ".build/release/halftone"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="write all figures there")
    arguments = parser.parse_args()
    halftone = Halftone(arguments.program)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check = Check(halftone, arguments.threads, folder)
        check.golden()

        # The embedded pixel model: float, one table for all steps, one table for each step, and four-bit weights.
        pixel = ROOT / "models/fashion-mnist-ddpm"
        io = np.load(pixel / "io.npz")
        path = halftone.export(pixel, folder / "float.onnx")
        check.floats("float fashion-mnist-ddpm", path, feeds(path, io["x"], io["t"]), io["y"])
        x = np.random.default_rng(0).standard_normal((IMAGES, 1, 28, 28)).astype("f4")
        made = {}
        for recipe, options in [("rtn-w8a8", []), ("tfmq-w4a8", ["--effort", "fast"])]:
            made[recipe] = folder / f"{recipe}.safetensors"
            halftone("quantize", pixel, "--recipe", recipe, "--out", made[recipe], *options, "-q")
            check.layers(recipe, made[recipe], 0 if recipe != "rtn-w8a8" else None)
            check.quantised(recipe, pixel, made[recipe], x)
        check.quantised("tfmq-w4a8, one step", pixel, made["tfmq-w4a8"], x, options=["--steps", "10"])
        check.quantised("tfmq-w4a8, bytes", pixel, made["tfmq-w4a8"], x, options=["--byte-weights"])

        # The latent model: labels through a context, and the decoder.
        latent = ROOT / "models/fashion-mnist-ldm"
        io = np.load(FIXTURES / "latent/io.npz")
        path = halftone.export(latent, folder / "latent.onnx")
        check.floats(
            "float fashion-mnist-ldm", path, feeds(path, io["x"], io["t"], io["label"]), io["eps"])
        path = halftone.export(latent, folder / "decoder.onnx", "--component", "decoder")
        z = np.random.default_rng(1).standard_normal((4, 3, 14, 14)).astype("f4")
        images = halftone.predict(latent, {"x": z}, folder, "--component", "decoder", "--executor", "float")
        check.floats("float decoder of fashion-mnist-ldm", path, {"x": z}, images)
        small = folder / "latent.safetensors"
        halftone("quantize", latent, "--recipe", "rtn-w8a8", "--out", small, "-q")
        decoder = folder / "decoder.safetensors"
        halftone("quantize", latent, "--components", "decoder", "--out", decoder, "-q")
        check.quantised_decoder("decoder-w8a8 of fashion-mnist-ldm", latent, decoder, z)
        labels = np.arange(IMAGES, dtype="i8") % 10
        z = np.random.default_rng(2).standard_normal((IMAGES, 3, 14, 14)).astype("f4")
        check.quantised("rtn-w8a8 of fashion-mnist-ldm", latent, small, z, labels)

        x = np.random.default_rng(3).standard_normal((16, 1, 28, 28)).astype("f4")
        t = np.full(16, 500, "f4")
        check.speed("fashion-mnist-ddpm, float", {"": folder / "float.onnx"}, pixel, x, t)
        for recipe, model in made.items():
            paths = {"": halftone.export(model, folder / "all.onnx")}
            if recipe != "rtn-w8a8":
                paths[", one step"] = halftone.export(model, folder / "step.onnx", "--steps", "10")
                paths[", one step, bytes"] = halftone.export(
                    model, folder / "bytes.onnx", "--steps", "10", "--byte-weights")
            check.speed(f"fashion-mnist-ddpm, {recipe}", paths, pixel, x, t, model, step=10)
        if arguments.json:
            Path(arguments.json).parent.mkdir(parents=True, exist_ok=True)
            Path(arguments.json).write_text(json.dumps(check.figures, indent=1))
    if check.failures:
        sys.exit("not held:\n  " + "\n  ".join(check.failures))
    print(f"held: {len(check.figures)} figures")


if __name__ == "__main__":
    main()
