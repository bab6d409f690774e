// swift-tools-version: 6.2
import PackageDescription

// VNNI at 256 bits exists in two encodings. Processors with AVX-512 VNNI alone can run the loops of the other kind when
// HALFTONE_VNNI_EVEX is set: for tests of them.
let isEVEX = Context.environment["HALFTONE_VNNI_EVEX"] != nil

// One kernel source tree, compiled once per instruction set (docs/engine.md). The flags
// change Swift's own code generation through the Clang importer; other processors than x86-64 build the base alone.
#if arch(x86_64)
  let instructionSets: [(target: String, flags: [String])] = [
    ("KernelsBase", []),
    ("KernelsAVX2", ["-Xcc", "-march=x86-64-v3"]),
    (
      "KernelsAVXVNNI",
      ["-Xcc", "-march=x86-64-v3"] + (isEVEX ? ["-Xcc", "-mavx512vl", "-Xcc", "-mavx512vnni"] : ["-Xcc", "-mavxvnni"])
    ),
    (
      "KernelsAVX512VNNI",
      ["-Xcc", "-march=cascadelake", "-Xcc", "-mprefer-vector-width=512"]
    ),
    // What AVX512-BF16 adds to them: one convolution.
    (
      "KernelsAVX512BF16",
      ["-Xcc", "-march=cooperlake", "-Xcc", "-mprefer-vector-width=512"]
    ),
    // What AMX adds to both: products of bytes and of bfloat16.
    (
      "KernelsAMX",
      [
        "-Xcc", "-march=cooperlake", "-Xcc", "-mamx-tile", "-Xcc", "-mamx-int8", "-Xcc", "-mamx-bf16", "-Xcc",
        "-mprefer-vector-width=512",
      ]
    ),
  ]
#else
  let instructionSets: [(target: String, flags: [String])] = [
    ("KernelsBase", [])
  ]
#endif

let settings: [SwiftSetting] = [.enableUpcomingFeature("ExistentialAny")]

// Coverage-guided fuzzing (`make fuzz-coverage` alone asks for it) is guided by what modules of readers do: neither by kernels and
// the code of dependencies, whose counters cost time with every input, nor by what changes inputs.
let isFuzzing = Context.environment["HALFTONE_FUZZ_COVERAGE"] != nil
let moduleSettings =
  settings
  + (isFuzzing ? [.unsafeFlags(["-sanitize-coverage=edge,inline-8bit-counters,pc-table,trace-cmp"])] : [])

let kernelTargets: [Target] = instructionSets.map { set in
  .target(
    name: set.target, dependencies: ["CKernels"],
    swiftSettings: [.unsafeFlags(["-Ounchecked"] + set.flags)])
}

func module(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: moduleSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil) -> Target {
  .testTarget(
    name: name, dependencies: dependencies + ["TestSupport"], exclude: [], resources: resources,
    swiftSettings: settings)
}

let package = Package(
  name: "halftone",
  products: [
    .library(name: "Halftone", targets: ["Halftone"]),
    .executable(name: "halftone", targets: ["HalftoneCommand"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    // Documentation alone: `make documentation`.
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"),
  ],
  targets: [
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5-serial", providers: [.apt(["libhdf5-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CJPEG", linkerSettings: [.linkedLibrary("jpeg")]),
    .target(name: "CPNG", linkerSettings: [.linkedLibrary("png"), .linkedLibrary("z")]),
    .target(name: "CKernels", cSettings: isEVEX ? [.define("HT_VNNI_EVEX")] : []),
    .target(name: "CLinearAlgebra"),
    .target(name: "CSystem"),
    // The C library and what this system alone says: everything that a port begins with.
    module("Platform", []),
    module(
      "Tensors",
      ["Platform", "COpenBLAS", "CLinearAlgebra", "CKernels"] + instructionSets.map { .target(name: $0.target) }),
    module(
      "Formats",
      [
        "Platform", "Tensors", "CJPEG", "CPNG", "CHDF5", "CZlib", "CSystem", .product(name: "Yams", package: "Yams"),
        .product(name: "Crypto", package: "swift-crypto"),
      ]),
    module("Diffusion", ["Tensors"]),
    module("Graphs", ["Platform", "Tensors", "Diffusion"]),
    module("Networks", ["Tensors", "Diffusion", "Graphs"]),
    module("Execution", ["Platform", "Tensors", "Diffusion", "Graphs", "CKernels"]),
    module("Quantization", ["Platform", "Tensors", "Diffusion", "Graphs", "Execution", "Networks"]),
    module("Evaluation", ["Tensors", "Graphs", "Networks", "Execution"]),
    .target(
      name: "Exports",
      dependencies: [
        "Tensors", "Formats", "Diffusion", "Graphs", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      exclude: ["ONNX/onnx.proto"], swiftSettings: settings),
    module(
      "Workbench",
      [
        "Platform", "Tensors", "Formats", "Diffusion", "Graphs", "Networks", "Execution", "Quantization", "Evaluation",
        "Exports", "CSystem", .product(name: "Logging", package: "swift-log"),
        .product(name: "Mustache", package: "swift-mustache"),
      ]),
    // The public face: what a program that depends on this package imports.
    module(
      "Halftone", ["Tensors", "Formats", "Diffusion", "Graphs", "Quantization", "Evaluation", "Workbench"]),
    .executableTarget(
      name: "HalftoneCommand",
      dependencies: ["Workbench", "Formats", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      swiftSettings: settings),

    .target(
      name: "TestSupport", dependencies: ["Tensors", "Formats", "Diffusion", "Graphs", "Networks", "Execution"],
      path: "Tests/TestSupport",
      swiftSettings: settings),
    // Readers under changed files: a few inputs in the tests, as many as wanted by `make fuzz`.
    .target(
      name: "Fuzzing",
      dependencies: [
        "Tensors", "Formats", "Diffusion", "Networks", "Quantization", "Evaluation", "Workbench", "TestSupport",
      ],
      path: "Tests/Fuzzing", swiftSettings: settings),
    .executableTarget(
      name: "halftone-fuzz", dependencies: ["Fuzzing"], path: "Tests/FuzzRunner", swiftSettings: settings),
    // Commands killed, refused by the system and out of room (`make torture`), and what sanitizers look at (`make sanitize`).
    .executableTarget(
      name: "halftone-torture", dependencies: ["TestSupport"], path: "Tests/Torture", exclude: ["Interposer"],
      swiftSettings: settings),
    .executableTarget(
      name: "halftone-sanitize", dependencies: ["Tensors", "CPNG", "CJPEG", "CSystem"], path: "Tests/Sanitizing",
      swiftSettings: settings),
    tests("FuzzingTests", ["Fuzzing"]),
    tests("TensorsTests", ["Tensors", "CKernels", "CLinearAlgebra"]),
    tests("FormatsTests", ["Formats"]),
    tests("DiffusionTests", ["Diffusion", "Formats"]),
    tests("GraphsTests", ["Graphs", "Networks", "Formats"]),
    tests("NetworksTests", ["Networks", "Execution", "Formats"]),
    tests("ExecutionTests", ["Execution", "Networks", "Formats"]),
    tests("QuantizationTests", ["Quantization", "Execution", "Networks", "Formats"]),
    tests("EvaluationTests", ["Evaluation", "Execution", "Networks", "Formats"]),
    tests("ExportsTests", ["Exports", "Execution", "Networks", "Formats"]),
    tests("WorkbenchTests", ["Workbench", "Execution", "Graphs", "Diffusion", "Tensors"]),
    tests("CommandLineTests", ["Workbench", "Formats", "Exports", "Tensors"]),
    tests("HalftoneTests", ["Halftone", "Workbench", "Formats"]),
  ] + kernelTargets,
  swiftLanguageModes: [.v6]
)

// Linked with the toolchain's libFuzzer.
if isFuzzing {
  package.targets += [
    .target(name: "CFuzzer", path: "Fuzz/CFuzzer"),
    .executableTarget(
      name: "halftone-fuzz-coverage", dependencies: ["CFuzzer", "Fuzzing", "TestSupport"], path: "Fuzz/Runner",
      swiftSettings: settings),
  ]
}
