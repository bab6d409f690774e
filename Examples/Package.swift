// swift-tools-version: 6.2
import PackageDescription

// Three programs that use Halftone as a library. In a package of your own the dependency is the repository's address and a
// version instead of a path (docs/library.md).
let package = Package(
  name: "halftone-examples",
  dependencies: [.package(name: "halftone", path: "..")],
  targets: ["SampleGrid", "QuantizeAndCompare", "WatchSteps"].map {
    .executableTarget(name: $0, dependencies: [.product(name: "Halftone", package: "halftone")])
  },
  swiftLanguageModes: [.v6]
)
