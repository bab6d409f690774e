import Foundation
import TestSupport
import Testing

/// Arrows between modules go down (docs/architecture.md, section Modules): who may import whom, read from the sources.
@Suite struct ImportRulesTests {
  private static let kernels = [
    "KernelsBase", "KernelsAVX2", "KernelsAVXVNNI", "KernelsAVX512VNNI", "KernelsAVX512BF16", "KernelsAMX",
  ]

  /// The modules of ours and of others that each target's sources may import.
  private static let allowed: [String: Set<String>] = [
    "Kernels": ["CKernels"], "KernelsBase": ["CKernels"], "KernelsAVX2": ["CKernels"],
    "KernelsAVX512VNNI": ["CKernels"], "KernelsAVXVNNI": ["CKernels"],
    "KernelsAVX512BF16": ["CKernels"], "KernelsAMX": ["CKernels"],
    // The C library is imported here alone, so that a port has one place to begin at.
    "Platform": ["Glibc", "Musl", "Darwin"],
    "Tensors": Set(kernels).union(["Platform", "CKernels", "COpenBLAS", "CLinearAlgebra"]),
    "Formats": ["Platform", "Tensors", "CJPEG", "CPNG", "CHDF5", "CZlib", "CSystem", "Yams", "CYaml", "Crypto"],
    "Diffusion": ["Tensors"],
    "Graphs": ["Platform", "Tensors", "Diffusion"],
    "Networks": ["Tensors", "Diffusion", "Graphs"],
    // The executors fill the argument structures of the kernel table, which are declared in CKernels.
    "Execution": ["Platform", "Tensors", "Diffusion", "Graphs", "CKernels"],
    "Quantization": ["Platform", "Tensors", "Diffusion", "Graphs", "Networks", "Execution"],
    "Evaluation": ["Tensors", "Graphs", "Networks", "Execution"],
    "Exports": ["Tensors", "Formats", "Diffusion", "Graphs", "SwiftProtobuf", "FoundationEssentials"],
    "Workbench": [
      "Platform", "Tensors", "Formats", "Diffusion", "Graphs", "Networks", "Execution", "Quantization", "Evaluation",
      "Exports", "CSystem", "Logging", "Mustache",
    ],
    // What a host program sees: everything but the command line.
    "Halftone": ["Tensors", "Formats", "Diffusion", "Graphs", "Quantization", "Evaluation", "Workbench"],
    // Errors and exit statuses are Tensors'; the child process that reads HDF5 files is Formats'.
    "HalftoneCommand": ["Workbench", "Tensors", "Formats", "ArgumentParser"],
  ]
  /// What comes with the toolchain; kernels use none of it.
  private static let system: Set<String> = ["Foundation", "Dispatch", "Synchronization"]

  @Test func sourcesImportOnlyWhatTheirLayerMay() throws {
    let root = Fixtures.root.deletingLastPathComponent().deletingLastPathComponent().appending(path: "Sources")
    let files = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)!.compactMap { $0 as? URL }
      .filter { $0.pathExtension == "swift" }
    #expect(files.count > 50)
    for file in files.sorted(by: { $0.path < $1.path }) {
      let relative = file.path.dropFirst(root.path.count + 1)
      let target = String(relative.prefix { $0 != "/" })
      guard var legal = Self.allowed[target] else {
        Issue.record("\(relative): target \(target) has no rule; add it to the table here and to docs/architecture.md")
        continue
      }
      if !target.hasPrefix("Kernels") { legal.formUnion(Self.system) }
      let text = try String(contentsOf: file, encoding: .utf8)
      for module in Self.imports(of: text) where !legal.contains(module) {
        Issue.record("\(relative) imports \(module); \(target) may import \(legal.sorted().joined(separator: ", "))")
      }
    }
  }

  @Test func importLinesAreRecognised() {
    let text = """
      import Tensors
      @preconcurrency import CHDF5
        package import Graphs // why
      // import Nothing
      import struct Foundation.URL
      let important = 3
      """
    #expect(Self.imports(of: text) == ["Tensors", "CHDF5", "Graphs", "Foundation"])
  }

  /// Modules named by the import declarations of a source text.
  private static func imports(of text: String) -> [String] {
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
    return text.split(separator: "\n").compactMap { line in
      var words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
      while let first = words.first,
        first.hasPrefix("@") || ["package", "internal", "public", "private"].contains(first)
      {
        words.removeFirst()
      }
      guard words.first == "import", words.count > 1 else { return nil }
      let name = kinds.contains(words[1]) && words.count > 2 ? words[2] : words[1]
      return name.split(separator: ".").first.map(String.init)
    }
  }
}
