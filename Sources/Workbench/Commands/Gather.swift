import Evaluation
import Formats
import Foundation
import Tensors

/// `gather`: the parts of a run that shards drew, checked to be exactly the whole, and what a whole run leaves.
package struct GatherCommand: Sendable {
  package var folders: [String]
  /// The images that must be there, and no others; nil: all from 0 to the last one.
  package var expected: ClosedRange<Int>?
  /// Where the whole goes; nil: into the one folder that the shards shared.
  package var out: String?
  package var grid: GridShape?
  package var writesArray: Bool
  /// Where statistics of the images' features go; nil: nowhere.
  package var statistics: String?
  package var options: ScoringOptions
  package var threads: Int
  package var batch: Int
  package var json: Bool

  package init(
    folders: [String], expected: ClosedRange<Int>?, out: String?, grid: GridShape?, writesArray: Bool,
    statistics: String?, options: ScoringOptions, threads: Int, batch: Int, json: Bool
  ) {
    self.folders = folders.map { $0.count > 1 && $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
    self.expected = expected
    self.out = out
    self.grid = grid
    self.writesArray = writesArray
    self.statistics = statistics
    self.options = options
    self.threads = threads
    self.batch = batch
    self.json = json
  }

  package func run(_ session: Session) throws {
    if folders.count == 1, CalibrationUnits.holds(folders[0]) { return try gatherSet(session) }
    if folders.count > 1, out == nil { throw GatherError.needsPlace(folders: folders.count) }
    if let statistics {
      try OutputPlace.check([statistics], inputs: folders)
    } else {
      try refuseFeatureOptions()
    }
    let unique = Self.unique(folders)
    if unique.count < folders.count {
      session.console.note(
        "note: folders named more than once count once: \(unique.map { printable($0) }.joined(separator: ", "))")
    }
    let parts = try RunParts(unique)
    let range = expected ?? parts.range
    try checkPlace(parts, range)
    try MemoryBudget.require(MemoryBudget.product(128, range.count), for: "the digests of \(range.count) images")
    let survey = try parts.survey(range, session: session)
    let run = try RunFolder(
      out ?? folders[0], command: "sample", identity: parts.identity.value["configuration"] ?? .null,
      arguments: session.arguments)
    let store =
      try out == nil
      ? parts.parts[0].store : PartTransfer(parts: parts, folder: run.path).run(survey, range, session: session)
    guard let store else { throw GatherError.noImages(folders: folders) }
    if !survey.repeated.isEmpty {
      session.console.note(
        "note: in more than one folder, equal, and counted once: \(ImageIndexSet.text(survey.repeated.ranges))")
    }
    let report = try report(unique, survey, range, session)
    var lines = try leave(run, store, range)
    if let statistics {
      lines += try StatsCommand(
        images: store.folder, options: options, indices: range, firstIndex: nil, out: statistics, threads: threads,
        batch: batch
      ).write(session)
    }
    try AtomicFile.write(JSONWriter.pretty(report), to: run.file("report.json"))
    run.log.info("gathered", metadata: ["images": "\(range.count)", "digest": "\(survey.digest)"])
    if json { return try session.console.result(json: report) }
    try session.console.result(
      "\(shown(count: range.count)) images in \(store.folder), \(shown(count: survey.verified)) compared with the records of "
        + "their units\ndigest: \(survey.digest)")
    for line in lines { try session.console.result(line) }
  }

  /// Each folder once, as it was called first, whatever it is called again.
  private static func unique(_ folders: [String]) -> [String] {
    var known: Set<String> = []
    return folders.filter {
      known.insert(URL(fileURLWithPath: $0).resolvingSymlinksInPath().standardized.path).inserted
    }
  }

  /// Looks at the place of the whole before the images are: what is left there can be written, and no other images are there.
  private func checkPlace(_ parts: RunParts, _ range: ClosedRange<Int>) throws {
    let place = out ?? folders[0]
    switch Folder.kind(of: place) {
    case .folder: try RunFolder.checkResults(in: place, withArray: writesArray)
    case nil: return
    case .file, .other: throw FormatError.file(place, .notFolder(found: "a file"))
    }
    guard let out, let store = parts.parts.lazy.compactMap(\.store).first?.moved(to: out) else { return }
    var problems = SurveyProblems()
    problems.add(unexpected: try RunParts.Part(folder: out, store: store), beyond: range)
    if let lines = problems.lines { throw GatherError.images(expected: range, problems: lines) }
  }

  /// A calibration set from the units of its shards.
  private func gatherSet(_ session: Session) throws {
    let given = [
      expected == nil ? nil : "--count and --indices", grid == nil ? nil : "--grid", writesArray ? "--npz" : nil,
      statistics == nil ? nil : "--stats", json ? "--json" : nil,
    ].compactMap(\.self)
    if !given.isEmpty { throw GatherError.unused(given, by: "a calibration set") }
    try refuseFeatureOptions()
    let path = out ?? String(folders[0].dropLast(CalibrationUnits.suffix.count))
    try OutputPlace.prepare([path], inputs: Folder.names(in: folders[0]).map { joined(folders[0], $0) })
    let units = try CalibrationUnits(folder: folders[0], reader: session.hdf5).gather(to: path, session: session)
    try session.console.result("\(path): \(units) units of 64 trajectories")
  }

  private func refuseFeatureOptions() throws {
    let given = [
      options.features.map { _ in "--features" }, options.mode.map { _ in "--mode" },
      options.keptFeatures.map { _ in "--keep-features" }, options.recursive ? "--recursive" : nil,
    ].compactMap(\.self)
    if !given.isEmpty { throw GatherError.options(given) }
  }

  /// What a run leaves beside its images. - Returns: a line about each.
  private func leave(_ run: RunFolder, _ store: ImageStore, _ range: ClosedRange<Int>) throws -> [String] {
    let grid = grid ?? GridShape(showing: range.count)
    let layout = GridLayout.counted(
      store.shape, rows: grid.rows, columns: grid.columns, from: range.lowerBound, count: range.count)
    try MemoryBudget.require(layout.byteCount, for: "a grid of \(grid) images")
    let gridPath = run.file("grid.png")
    _ = try store.writeGrid(of: range, shape: grid, to: gridPath)
    guard writesArray else { return ["grid: \(gridPath)"] }
    let arrayPath = run.file("samples.npz")
    let labels: [Int]? =
      if case .list(let labels)? = run.identity.value["configuration"]?["labels"] {
        labels.compactMap { if case .integer(let label) = $0 { label } else { nil } }
      } else { nil }
    try store.writeArray(range, labels: labels.flatMap { $0.isEmpty ? nil : LabelCycle($0) }, to: arrayPath)
    return ["grid: \(gridPath)", "array: \(arrayPath)"]
  }

  private func report(
    _ folders: [String], _ survey: RunParts.Survey, _ range: ClosedRange<Int>, _ session: Session
  ) throws -> ConfigurationValue {
    let shards = try folders.flatMap { try ShardReport.all(inRun: $0, problem: session.console.warn) }
    return [
      "schema": 1, "images": .integer(range.count), "first_image": .integer(range.lowerBound),
      "last_image": .integer(range.upperBound), "digest": .string(survey.digest),
      "compared_with_records": .integer(survey.verified), "repeated": .integer(survey.repeated.count),
      "drawn": .integer(shards.reduce(0) { $0 + $1.drawn }), "seconds": .number(shards.reduce(0) { $0 + $1.seconds }),
      "shards": .list(shards.map(\.summary)),
    ]
  }
}
