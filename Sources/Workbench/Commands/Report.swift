import Formats
import Tensors

/// `report`: one page, and its data, of what runs and quantised models have to show.
package struct ReportCommand: Sendable {
  package var runs: [String]
  package var out: String?
  /// Whether layers are measured that no earlier report knows.
  package var analyses: Bool
  /// The float model, where an artefact's own name for it leads nowhere.
  package var model: String?
  package var modelOptions: ModelOptions
  package var threads: Int
  package var batch: Int

  package init(
    runs: [String], out: String?, analyses: Bool, model: String?, modelOptions: ModelOptions, threads: Int, batch: Int
  ) {
    self.runs = runs
    self.out = out
    self.analyses = analyses
    self.model = model
    self.modelOptions = modelOptions
    self.threads = threads
    self.batch = batch
  }

  package func run(_ session: Session) throws {
    guard let page = out ?? (runs.count == 1 ? ReportBuilder.page(of: runs[0]) : nil) else {
      throw ReportError.needsOut
    }
    // A page without the figures of a file that cannot be read would look whole, and the file would be written over.
    for path in [ReportFile.dataPath(of: page)] + runs.flatMap(ReportBuilder.data) where Folder.kind(of: path) != nil {
      _ = try JSON.read(path, limit: ReportFile.sizeLimit)
    }
    let floats = try model.map { [try session.open($0, modelOptions)] } ?? []
    let builder = ReportBuilder(session, compute: try Compute(threads: threads, batch: batch), floats: floats)
    for run in runs { try builder.add(run) }
    if let model { try builder.checkFloats(named: model) }
    try OutputPlace.prepare(
      [page, ReportFile.dataPath(of: page)], inputs: runs + (model.map { session.inputs(of: $0, modelOptions) } ?? []))
    builder.remember(ReportFile.dataPath(of: page))
    // Written after each model, so that the same command goes on behind it after a stop.
    if analyses { try builder.analyse { try builder.write(page) } }
    try builder.write(page)
    for sentence in builder.document.summary { try session.console.result(sentence) }
    try session.console.result("page: \(page)")
    try session.console.result("data: \(ReportFile.dataPath(of: page))")
  }
}
