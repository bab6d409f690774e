#!/usr/bin/env bash
# Shows that a version of this package can be depended on: clones the checkout, tags the clone, makes a package that names it by
# address and version, builds that and runs it.
#
#     Tests/Dependency/run.sh
set -euo pipefail
checkout=$(cd "$(dirname "$0")/../.." && pwd)
swift=${SWIFT:-swift}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

git clone --quiet "$checkout" "$folder/halftone"
# A version that the project will not reach: no tag of the checkout can be taken for it.
git -C "$folder/halftone" tag 999.0.0

mkdir -p "$folder/consumer/Sources/Consumer"
cat > "$folder/consumer/Package.swift" <<END
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "consumer",
  dependencies: [.package(url: "file://$folder/halftone", from: "999.0.0")],
  targets: [.executableTarget(name: "Consumer", dependencies: [.product(name: "Halftone", package: "halftone")])])
END
cat > "$folder/consumer/Sources/Consumer/Main.swift" <<'END'
import Halftone

@main enum Consumer {
  static func main() async throws {
    let runtime = try Runtime(assets: CommandLine.arguments[1])
    let pipeline = try await Pipeline.open("fashion-mnist-ddpm", in: runtime)
    var count = 0
    for try await image in pipeline.images(SamplingOptions(count: 2, sampler: "ddim-10")) {
      count += 1
      guard image.image.bytes.contains(where: { $0 > 127 }) else { fatalError("image \(image.index) is dark") }
    }
    print("drew \(count) images with \(pipeline.facts.name)")
  }
}
END
cd "$folder/consumer"
"$swift" build -c release 2>&1 | grep -E 'error|warning: unsafe|Working copy|Build complete' || true
found=$("$("$swift" build -c release --show-bin-path)/Consumer" "$checkout" 2>errors)
# The library itself says nothing.
[ ! -s errors ] || { echo "on standard error:" >&2; cat errors >&2; exit 1; }
[ "$found" = "drew 2 images with fashion-mnist-ddpm" ] || { echo "unexpected: $found" >&2; exit 1; }
echo "a tagged version of $checkout resolves, builds and runs as a dependency: $found"
