import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// Files of other programs, as their users have them: what a command makes of them, and what it says.
@Suite struct ForeignFileTests {
  private let halftone = Launcher()
  private let temporary: TemporaryFolder

  init() throws { temporary = try TemporaryFolder() }

  private static func fixture(_ name: String) -> String { Fixtures.path("statistics/" + name) }

  // MARK: Statistics and features

  private func distance(_ first: String, _ second: String) throws -> (value: Double, warnings: [String]) {
    let finished = try halftone.run("fid", first, second, "--json", "--quiet")
    try #require(finished.status == 0, "\(finished.errors)")
    let report = try JSON.parse(Array(finished.output.utf8), file: "report")
    guard case .number(let value)? = report["distance"], case .list(let warnings)? = report["warnings"] else {
      throw CocoaError(.coderReadCorrupt)
    }
    return (value, warnings.compactMap { if case .string(let text) = $0 { text } else { nil } })
  }

  @Test func entriesThatAreNotNeededAreNamed() throws {
    let file = Self.fixture("with-name.npz")
    let found = try distance(file, Self.fixture("reference.npz"))
    #expect(abs(found.value - 0.751723772059627) < 1e-9)
    #expect(found.warnings.first == "\(file): entries that are not used: name")
    let inspected = try halftone.run("inspect", file)
    #expect(inspected.status == 0 && inspected.output.contains("not used: name"), "\(inspected.errors)")
  }

  @Test func featuresComeInArraysOfTheirOwnAndInDoubles() throws {
    let (array, reference) = (Self.fixture("features.npy"), Self.fixture("reference.npz"))
    #expect(try abs(distance(array, reference).value) < 1e-6)
    var features = try #require(NPY.read(array).floats())
    let exact = StoredTensor(dims: features.dims, features.values.map(Double.init))
    let path = temporary.file("features64.npz")
    try NPZ.write(TensorArchive(tensors: ["features": exact]), to: path)
    let same = try distance(path, reference)
    #expect(abs(same.value) < 1e-6 && !same.warnings.contains { $0.contains("rounded") })
    // 0.1 is no Float.
    features.values[0] = 0.5
    var values = features.values.map(Double.init)
    values[1] = 0.1
    try NPZ.write(TensorArchive(tensors: ["features": StoredTensor(dims: features.dims, values)]), to: path)
    #expect(
      try distance(path, reference).warnings.first == "\(path): 1 of 3200 features are F64 and were rounded to F32")
  }

  @Test func statisticsOfPyTorchAreRead() throws {
    #expect(try abs(distance(Self.fixture("stats.pt"), Self.fixture("reference.npz")).value) < 1e-6)
    let inspected = try halftone.run("inspect", Self.fixture("stats.pt"))
    #expect(inspected.output.contains("feature statistics"), "\(inspected.errors)")
  }

  @Test func statisticsThatAreTooLargeAreRefused() throws {
    let path = temporary.file("large.npz")
    try NPZ.write(
      TensorArchive(tensors: ["mu": StoredTensor(dims: [1], [1e300]), "sigma": StoredTensor(dims: [1, 1], [1.0])]),
      to: path)
    let other = temporary.file("small.npz")
    try NPZ.write(
      TensorArchive(tensors: ["mu": StoredTensor(dims: [1], [0.0]), "sigma": StoredTensor(dims: [1, 1], [1.0])]),
      to: other)
    let finished = try halftone.run("fid", path, other, "--quiet")
    #expect(finished.status == 3 && finished.output.isEmpty)
    #expect(finished.errors.hasPrefix("error[E-SCORE-RANGE]: the distance of \(path) and \(other) is beyond"))
  }

  // MARK: Images

  /// What stands in the way of a file is said on standard error and in JSON alike.
  @Test func filesThatAreNotScoredAreNamedInJSONToo() throws {
    let folder = temporary.file("set")
    try Folder.create(folder + "/inner")
    for index in 0..<3 {
      let pixels = (0..<784).map { UInt8(truncatingIfNeeded: ($0 + index) &* 2_654_435_761 >> 13) }
      let image = PixelImage(height: 28, width: 28, channels: 1, pixels: pixels)
      try AtomicFile.write(try PNG.encode(image) + (index == 0 ? [1, 2, 3] : []), to: folder + "/\(index).png")
      try PNG.write(image, to: folder + "/inner/\(index).png")
    }
    try AtomicFile.write("", to: folder + "/a.webp")
    let unreachable = (Array((folder + "/").utf8) + [0xe9] + Array(".png".utf8)).map { CChar(bitPattern: $0) } + [0]
    let descriptor = open(unreachable, O_CREAT | O_WRONLY, 0o644)
    #expect(descriptor >= 0 && close(descriptor) == 0)
    let found = try distance(folder, folder)
    #expect(
      found.warnings.prefix(2) == [
        "\(folder): not scored: \\xE9.png (its name is not UTF-8); a.webp (not a .png, .jpg or .jpeg file); inner/0.png (in a folder of the set); "
          + "inner/1.png (in a folder of the set); inner/2.png (in a folder of the set)",
        "\(folder): 1 of 3 images have bytes behind the image's end, which were passed over",
      ])
    let text = try halftone.run("fid", folder, folder)
    for warning in found.warnings { #expect(text.errors.contains("warning: \(warning)\n")) }
    // Following the advice of the refusal for a set of folders only.
    for index in 0..<3 { try FileManager.default.removeItem(atPath: folder + "/\(index).png") }
    let refused = try halftone.run("fid", folder, folder, "--quiet")
    #expect(refused.status == 3 && refused.errors.contains("hint: --recursive reads the images in its folders: 3"))
    #expect(try halftone.run("fid", folder, folder, "--quiet", "--recursive").status == 0)
  }

  // MARK: Models and arrays

  private static let scheduler = Launcher.checkout.appending(
    path: "models/fashion-mnist-ddpm/scheduler/scheduler_config.json"
  ).path

  /// A network whose configuration leaves the size open, as `UNet2DModel` does by default.
  private func openSized() throws -> String {
    let folder = temporary.file("model")
    try Folder.create(folder)
    let source = Fixtures.path("golden-more/odd-channels")
    guard case .map(let entries) = try JSON.read(source + "/config.json") else { throw CocoaError(.coderReadCorrupt) }
    let open = ConfigurationValue.map(entries.map { $0.key == "sample_size" ? .init($0.key, .null) : $0 })
    try AtomicFile.write(JSONWriter.pretty(open), to: folder + "/config.json")
    try FileManager.default.copyItem(
      atPath: source + "/diffusion_pytorch_model.safetensors", toPath: folder + "/diffusion_pytorch_model.safetensors")
    return folder
  }

  @Test func anOpenSizeIsGivenByTheOption() throws {
    let model = try openSized()
    let command = ["inspect", model, "--scheduler", Self.scheduler]
    let refused = try halftone.run(command)
    #expect(refused.status == 2)
    #expect(
      refused.errors == """
        error[E-MODEL-SIZE]: \(model)/config.json: sample_size is null, so the size of images is open
        hint: give the size that the network was trained for: --size HxW, such as --size 32x32

        """)
    #expect(try halftone.run(command + ["--size", "8x16"]).status == 0)
    #expect(try halftone.run(command + ["--size", "8"]).status == 2)
    let wrong = try halftone.run(command + ["--size", "7x7"])
    #expect(wrong.status == 3 && wrong.errors.contains("7x7 is not divisible by"), "\(wrong.errors)")
  }

  @Test func doublesAreRoundedAndUnusedArraysNamed() throws {
    let model = Fixtures.path("golden-more/odd-channels")
    let input = try NPZ.read(model + "/io.npz")
    let x = try #require(input.tensors["x"]?.floats())
    var arrays = input.tensors
    arrays["x"] = StoredTensor(dims: x.dims, x.values.map { Double($0) })
    let path = temporary.file("io.npz")
    func predict(_ arrays: [String: StoredTensor], _ out: String) throws -> Finished {
      try NPZ.write(TensorArchive(tensors: arrays), to: path)
      return try halftone.run(
        "predict", model, "--input", path, "--out", temporary.file(out))
    }
    let floats = try predict(input.tensors, "a.npz")
    #expect(floats.status == 0, "\(floats.errors)")
    let doubles = try predict(arrays, "b.npz")
    #expect(doubles.status == 0 && !doubles.errors.contains("rounded to F32"), "\(doubles.errors)")
    #expect(try NPZ.read(temporary.file("a.npz")).tensors == NPZ.read(temporary.file("b.npz")).tensors)
    #expect(doubles.errors.contains("note: \(path): arrays that are not used: "))
    arrays["x"] = StoredTensor(dims: x.dims, x.values.map { Double($0) + 1e-12 })
    #expect(
      try predict(arrays, "c.npz").errors.contains("note: \(path): x holds F64; its numbers are rounded to F32\n"))
    arrays["x"] = StoredTensor(dims: x.dims, x.values.map { Int64($0) })
    let integers = try predict(arrays, "d.npz")
    #expect(integers.errors.contains("x holds I64, expected F16, BF16, F32 or F64"), "\(integers.errors)")
  }
}
