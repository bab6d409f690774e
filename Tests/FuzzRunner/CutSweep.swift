import Fuzzing

/// Every reader's valid files cut at every byte: each must be refused. Readers of texts, which may end early and still say something, and those
/// that start a process are left out.
enum CutSweep {
  static let flag = "--cuts"

  /// - Parameter readers: names; empty: all.
  /// - Returns: whether every cut file was refused.
  static func run(readers: Set<String>) throws -> Bool {
    var accepted = 0
    for reader in try FuzzCatalog.readers() where readers.isEmpty || readers.contains(reader.name) {
      if reader.isText || reader.startsProcesses { continue }
      var cuts = 0
      for (position, seed) in reader.seeds.enumerated() {
        for cut in 0..<seed.count {
          cuts += 1
          if try !reader.refuses(Array(seed[..<cut])) {
            accepted += 1
            say("\(reader.name): seed \(position) of \(seed.count) bytes is read when cut at \(cut)")
          }
        }
      }
      say("\(reader.name): \(cuts) cuts")
    }
    say("\(accepted) cut files were read")
    return accepted == 0
  }
}
