import Formats
import Foundation
import Tensors
import TestSupport
import Testing
import Workbench

/// How work is cut into units, who gets which, and what is said of parts that there are not.
@Suite struct ShardTests {
  private func shard(_ text: String, _ environment: [String: String] = [:]) throws -> Shard {
    try Shard(text, environment: environment)
  }

  private func error(_ text: String, _ environment: [String: String] = [:]) -> ShardError? {
    do { _ = try Shard(text, environment: environment) } catch { return error }
    return nil
  }

  // MARK: Arguments

  @Test func partsAreCountedFromZero() throws {
    #expect(try shard("0/1") == Shard(0, of: 1))
    #expect(try shard("15/16").description == "15/16")
    #expect(
      error("16/16")?.message == "--shard 16/16: shards are counted from 0, so the last of 16 is 15/16")
    #expect(error("0/0")?.message == "--shard 0/0: expected 1 to 1000000 shards")
    for text in ["", "3", "3of16", "-1/16", "1/2/3", "0x1/4", "auto/", "auto/x", "Auto", "1/", "/4", "٣/4"] {
      #expect(error(text) == .malformed(text), "\(text)")
    }
    #expect(error("3of16")?.message == "--shard 3of16: expected i/N, auto/N or auto")
    #expect(error("3of16")?.hint == "0/16 is the first of 16 shards, 15/16 the last")
  }

  @Test func schedulersSayThePart() throws {
    let task = { (id: Int, first: Int, last: Int, count: Int) in
      [
        "SLURM_ARRAY_TASK_ID": "\(id)", "SLURM_ARRAY_TASK_MIN": "\(first)", "SLURM_ARRAY_TASK_MAX": "\(last)",
        "SLURM_ARRAY_TASK_COUNT": "\(count)",
      ]
    }
    #expect(try shard("auto", task(4, 1, 16, 16)) == Shard(3, of: 16))
    // Parts of an array: the number of shards is written.
    #expect(try shard("auto/16", task(7, 3, 7, 2)) == Shard(7, of: 16))
    #expect(error("auto", task(7, 3, 7, 2)) == .partialArray(first: 3, last: 7, count: 2))
    #expect(error("auto", task(3, 3, 7, 2)) == .partialArray(first: 3, last: 7, count: 2))
    #expect(
      error("auto", task(3, 3, 7, 2))?.message
        == "--shard auto: 2 of the array's tasks 3 to 7 were started, so their number is not that of the shards")
    #expect(error("auto/16", task(16, 1, 16, 16)) == .range(index: 16, count: 16))
    #expect(try shard("auto/8", ["JOB_COMPLETION_INDEX": "5"]) == Shard(5, of: 8))
    #expect(
      error("auto", ["JOB_COMPLETION_INDEX": "5"])?.message
        == "--shard auto: JOB_COMPLETION_INDEX says which shard this is, and nothing of how many")
    #expect(
      try shard("auto", ["OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"]) == Shard(2, of: 4))
    #expect(error("auto", ["OMPI_COMM_WORLD_RANK": "2"]) == .noCount(variable: "OMPI_COMM_WORLD_RANK"))
    #expect(error("auto", ["JOB_COMPLETION_INDEX": "x"]) == .variable("JOB_COMPLETION_INDEX", value: "x"))
    #expect(
      error("auto/4", ["JOB_COMPLETION_INDEX": "1", "OMPI_COMM_WORLD_RANK": "2"])?.message
        == "--shard auto: schedulers disagree: JOB_COMPLETION_INDEX=1, OMPI_COMM_WORLD_RANK=2")
    #expect(
      error("auto/4")?.message
        == "--shard auto: none of SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX, OMPI_COMM_WORLD_RANK is set")
  }

  // MARK: Units

  @Test(arguments: [0...0, 0...63, 0...64, 10...10, 63...64, 100...1000, 0...49_999])
  func shardsPartitionTheUnitsOfAnyRange(_ images: ClosedRange<Int>) throws {
    let units = WorkUnits(of: images)
    #expect(units.flatMap { Array($0.images) } == Array(images))
    #expect(units.allSatisfy { Set($0.images.map { $0 / 64 }) == [$0.number] })
    for count in [1, 2, 3, 7, 16, 1000] {
      let parts = try (0..<count).map { WorkUnits(of: images, for: try Shard($0, of: count)) }
      #expect(parts.flatMap(Array.init) == Array(units))
      let sizes = parts.map(\.count)
      #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
    }
  }

  // MARK: Records

  @Test func recordsOfUnitsAreReadBackAndCheckedByKey() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let record = UnitRecord(
      unit: WorkUnits(of: 70...72)[0], run: "sha256:aa", digests: ["a", "b", "c"])
    try record.write(inRun: folder)
    #expect(try UnitRecord.read(1, inRun: folder) == record)
    #expect(try UnitRecord.read(0, inRun: folder) == nil)
    #expect(record.digest(of: 71) == "b" && record.digest(of: 73) == nil)
    let path = UnitRecord.path(1, inRun: folder)
    try """
    {"schema": 1, "unit": 2, "first_image": 128, "run": "r", "sha256": [], "more": 1}
    """.write(toFile: path, atomically: true, encoding: .utf8)
    let problems = #expect(throws: ConfigurationError.self) { try UnitRecord.read(1, inRun: folder) }
    #expect(problems?.problems.map(\.path) == ["unit", "first_image", "more"].map { "\(path): \($0)" })
  }

  @Test func reportsOfAShardAddUpItsProcesses() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let shard = try Shard(3, of: 16)
    for drawn in [5, 7] {
      try ShardReport(shard: shard, images: 12, drawn: drawn, seconds: 1.5, host: "a").write(inRun: folder, with: [:])
    }
    #expect(
      try ShardReport.read(folder + "/shards/3-of-16.json")
        == ShardReport(shard: shard, images: 12, drawn: 12, seconds: 3, host: "a"))
  }
}
