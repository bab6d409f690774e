import Tensors

/// Problems of weights as such: files that are something else, indices of several files, what a checkpoint holds.
package enum WeightsProblem: FormatProblem {
  /// The file is something else than weights.
  case kind(ContainerKind)
  case index([String])
  /// No weights in a folder; with the files that look like some.
  case noWeights(found: [String])
  case variants([String], asked: String?)
  /// The arrays of a file are none of a network.
  case noNetwork(holds: [String])
  case noEMA(beside: [String])
  case onlyEMA
  case ambiguousEMA([String])
  case shapeOfEMA(name: String, raw: [Int], ema: [Int])
  case duplicate([String])

  package var wording: (id: String, text: String, hint: String?) {
    switch self {
    case .kind(let kind): ("E-WEIGHTS-KIND", kind.wording.text, kind.wording.hint)
    case .index(let problems):
      ("E-WEIGHTS-INDEX", listed("the index does not fit its files", problems), "copy or download the folder again")
    case .noWeights(let found):
      (
        "E-WEIGHTS-NONE",
        "holds no weights" + (found.isEmpty ? "" : ", only \(found.map(quoted).joined(separator: ", "))"),
        "expected is diffusion_pytorch_model, model or pytorch_model as .safetensors or .bin, in one file or with an index"
      )
    case .variants(let names, let asked):
      (
        "E-WEIGHTS-VARIANT",
        (asked.map { "holds no variant \(quoted($0))" } ?? "holds several variants of the weights")
          + ": there are \(names.map(quoted).joined(separator: ", "))",
        "name one with --variant"
      )
    case .noNetwork(let holds):
      (
        "E-WEIGHTS-NETWORK", "holds no network's weights, only \(holds.joined(separator: ", "))",
        "training writes weights into files of their own, often called model….pt and ema….pt"
      )
    case .noEMA(let beside):
      (
        "E-WEIGHTS-EMA", "holds no EMA weights",
        beside.isEmpty ? "leave --weights out" : "beside it stands \(beside.map(quoted).joined(separator: ", "))"
      )
    case .onlyEMA: ("E-WEIGHTS-EMA", "holds EMA weights only", "leave --weights out")
    case .ambiguousEMA(let names):
      (
        "E-WEIGHTS-EMA", "EMA names have no dots, and \(names.map(quoted).joined(separator: " and ")) become the same",
        "take the other weights with --weights raw"
      )
    case .shapeOfEMA(let name, let raw, let ema):
      (
        "E-WEIGHTS-EMA", "the EMA values of \(quoted(name)) have shape \(shown(ema)), the weights \(shown(raw))",
        "take the other weights with --weights raw"
      )
    case .duplicate(let names):
      (
        "E-WEIGHTS-DUPLICATE", listed("several arrays have the same name without their prefixes", names.map(quoted)),
        nil
      )
    }
  }

  /// At most ten of them.
  private func listed(_ title: String, _ problems: [String]) -> String {
    let shown = problems.prefix(10).map { "\n  \($0)" }.joined()
    return title + shown + (problems.count > 10 ? "\n  and \(problems.count - 10) more" : "")
  }
}

extension ContainerKind {
  /// What a file of this kind is, and what to do when weights were expected.
  var wording: (text: String, hint: String?) {
    let original = "get the checkpoint that it was made from, as safetensors or as torch.save wrote it"
    return switch self {
    case .safetensors: ("a safetensors file", nil)
    case .torchZip, .torchLegacy: ("a PyTorch checkpoint", "give it where a checkpoint is expected")
    case .empty: ("the file is empty", truncationHint)
    case .lfsPointer(let size):
      (
        "a Git LFS pointer, which stands for a file" + (size.map { " of \($0) bytes" } ?? "") + ", not the file itself",
        "fetch the file with 'git lfs pull', or download it from the page that shows it"
      )
    case .webPage:
      (
        "a web page, not weights",
        "the server sent a login or error page instead of the file; open the address in a browser"
      )
    case .json: ("JSON text, not weights", "give the folder that holds it, or the file of weights beside it")
    case .onnx: ("an ONNX model; its weights cannot be read", original)
    case .gguf: ("a GGUF file; its weights cannot be read", original)
    case .numPy, .numPyArchive: ("NumPy arrays, not a checkpoint", nil)
    case .torchScript:
      ("a TorchScript program, not weights", "in PyTorch: torch.save(torch.jit.load(…).state_dict(), …)")
    case .kerasHDF5: ("an HDF5 file of Keras; its weights cannot be read", original)
    case .hdf5: ("an HDF5 file, not weights", original)
    case .zip: ("a ZIP file that is no checkpoint", "if it holds one, unpack it first")
    case .damagedZip: ("a damaged ZIP file", truncationHint)
    case .gzip: ("compressed by gzip", "unpack it with gunzip first")
    case .tar: ("a tar archive", "unpack it with 'tar -xf' first")
    case .messagePack: ("a MessagePack file, as Flax writes its weights; they cannot be read", original)
    case .pickle: ("a Python pickle that torch.save did not write", "in PyTorch: torch.save(model.state_dict(), …)")
    case .image: ("an image, not weights", nil)
    case .text: ("a text, not weights", nil)
    case .unknown: ("no kind of file that is known here", nil)
    }
  }
}
