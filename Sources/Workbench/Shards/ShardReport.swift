import Formats
import Tensors

/// What one shard of a run did: `shards/3-of-16.json`, written when it is done. Gathering adds the shards up. A process that was
/// killed before is not in it.
package struct ShardReport: Sendable, Equatable {
  package static let schema = 1
  private static let sizeLimit = 1 << 20

  package let shard: Shard
  package let images: Int
  /// By all processes of this shard that came to the end, and their time in network and sampler.
  package let drawn: Int
  package let seconds: Double
  package let host: String

  package init(shard: Shard, images: Int, drawn: Int, seconds: Double, host: String) {
    self.shard = shard
    self.images = images
    self.drawn = drawn
    self.seconds = seconds
    self.host = host
  }

  /// Writes the report, with what an earlier process of this shard reported added.
  /// - Parameter report: what the command says of its work besides.
  package func write(inRun folder: String, with report: ConfigurationValue) throws {
    let path = joined(joined(folder, RunFolder.shardFolderName), shard.fileName + ".json")
    let earlier = try? Self.read(path)
    let own: [ConfigurationValue.Entry] = [
      .init("schema", .integer(Self.schema)), .init("shard", .integer(shard.index)),
      .init("shards", .integer(shard.count)), .init("images", .integer(images)),
      .init("drawn", .integer(drawn + (earlier?.drawn ?? 0))),
      .init("seconds", .number(seconds + (earlier?.seconds ?? 0))), .init("host", .string(host)),
      .init("report", report),
    ]
    try Folder.create(parentFolder(of: path), inside: folder)
    try AtomicFile.write(JSONWriter.pretty(.map(own)), to: path)
  }

  /// One line of a gathered run's report.
  var summary: ConfigurationValue {
    [
      "shard": .string(shard.description), "images": .integer(images), "drawn": .integer(drawn),
      "seconds": .number(seconds), "host": .string(host),
    ]
  }

  /// The report at `path`. - Throws: when it is none.
  package static func read(_ path: String) throws -> ShardReport {
    let reader = ConfigurationReader(
      try JSON.parse(InputFile.contents(of: path, limit: sizeLimit), file: path), file: path)
    reader.ignore("report")
    _ = reader.int("schema", in: 1...schema)
    let count = reader.int("shards", in: 1...Shard.largestCount)
    let index = reader.int("shard", in: 0...max(count - 1, 0))
    let images = reader.int("images", in: 0...IndexRange.limit)
    let drawn = reader.int("drawn", in: 0...IndexRange.limit)
    let (seconds, host) = (reader.double("seconds", in: 0...1e12), reader.string("host"))
    try reader.finish()
    return ShardReport(
      shard: try Shard(index, of: count), images: images, drawn: drawn, seconds: seconds, host: host)
  }

  /// All reports of a run, by name. - Parameter problem: told of files that are none.
  static func all(inRun folder: String, problem: (String) -> Void) throws -> [ShardReport] {
    let folder = joined(folder, RunFolder.shardFolderName)
    guard Folder.kind(of: folder) == .folder else { return [] }
    return try Folder.names(in: folder).filter { $0.hasSuffix(".json") }.compactMap { name in
      do { return try read(joined(folder, name)) } catch let error as any HalftoneError {
        problem(error.message)
        return nil
      }
    }
  }
}
