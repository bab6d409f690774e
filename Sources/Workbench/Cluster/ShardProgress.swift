import Formats
import Tensors

/// How far a run in shards is, by the names of its files; no image is opened.
package struct ShardProgress: Sendable {
  package struct Row: Sendable, Equatable {
    package let shard: Shard
    package let images: Int
    package let total: Int
    /// Host and process of those that say that they are at work on its units.
    package let workers: [String]
  }

  package let rows: [Row]
  package var images: Int { rows.reduce(0) { $0 + $1.images } }
  package var total: Int { rows.reduce(0) { $0 + $1.total } }

  /// - Parameters: folder: of the run, which need not be there yet; images: of the whole run.
  package init(_ folder: String, images: ClosedRange<Int>, shards: Int) throws {
    // A folder that cannot be read is not an empty one.
    if let kind = Folder.kind(of: folder) {
      guard kind == .folder else { throw FormatError.file(folder, .notFolder(found: "a file")) }
      _ = try Folder.names(in: folder)
    }
    let kinds = [ImageStore.folderName, ImageStore.arrayFolderName, ImageStore.latentFolderName]
    let indices = try kinds.flatMap { try ImageStore.indices(in: joined(folder, $0)) }.sorted()
    let claims = UnitClaims(run: folder).holders.sorted { $0.key < $1.key }
    rows = try (0..<shards).map { index in
      let shard = try Shard(index, of: shards)
      let units = WorkUnits(of: images, for: shard)
      guard let own = units.images else { return Row(shard: shard, images: 0, total: 0, workers: []) }
      let workers = claims.filter { units.numbers.contains($0.key) }.map { "\($0.value.process) on \($0.value.host)" }
      return Row(
        shard: shard,
        images: indices.partitionPoint { $0 > own.upperBound } - indices.partitionPoint { $0 >= own.lowerBound },
        total: own.count, workers: Set(workers).sorted())
    }
  }

  /// Shards that are shown one by one.
  private static let mostRows = 40

  /// What is left, by shard, and a line about the whole.
  /// - Parameter rate: images a second since the watching began.
  package func text(rate: Double?) -> String {
    let open = rows.filter { $0.images < $0.total }
    var table = Table([("shard", .right), ("images", .right), ("of", .right), ("at work", .left)])
    for row in open.prefix(Self.mostRows) {
      table.add([
        "\(row.shard)", shown(count: row.images), shown(count: row.total), row.workers.joined(separator: ", "),
      ])
    }
    var line =
      "\(shown(count: images)) of \(shown(count: total)) images, \(rows.count - open.count) of \(rows.count) shards done"
    if let rate, rate > 0 {
      line += ", \(fixed(rate, 2)) images a second, \(Progress.shown(seconds: Double(total - images) / rate)) left"
    }
    if open.isEmpty { return line }
    let more = open.count > Self.mostRows ? "\n\(open.count - Self.mostRows) more shards are not done" : ""
    return table.markdown + more + "\n" + line
  }
}
