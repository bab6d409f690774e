import Tensors

/// What keeps a report from being made, or a recipe from being taken from one.
package enum ReportError: HalftoneError, Equatable {
  /// Neither a run folder nor a quantised model.
  case notReportable(path: String, found: String)
  /// The float model that layers are compared with is not known.
  case noFloat(path: String, name: String, digest: String)
  /// A float model is named, and there is no quantised one to compare with it.
  case notAnalysable(model: String)
  /// Several runs and no place for the page.
  case needsOut
  /// A file that is no report's data.
  case notAReport(path: String, problem: String)
  /// No model of the report was analysed, so that nothing says which layers to fix.
  case notAnalysed(path: String)
  /// Several analysed models and no choice, or a choice that is not among them.
  case choice(path: String, asked: String?, known: [String])
  case otherModel(path: String, madeFrom: String, model: String, found: String)
  /// More layers than have an error.
  case tooMany(path: String, asked: Int, known: Int)

  package var id: String {
    switch self {
    case .notReportable: "E-REPORT-RUN"
    case .noFloat: "E-REPORT-FLOAT"
    case .needsOut: "E-REPORT-OUT"
    case .notAReport: "E-REPORT-FILE"
    case .notAnalysed: "E-REPORT-ANALYSIS"
    case .choice: "E-REPORT-CHOICE"
    case .otherModel, .notAnalysable: "E-REPORT-MODEL"
    case .tooMany: "E-REPORT-FIX"
    }
  }

  package var exit: ExitStatus {
    switch self {
    case .notReportable, .notAReport, .notAnalysed, .otherModel, .notAnalysable: .refusedInput
    case .noFloat, .needsOut, .choice, .tooMany: .usage
    }
  }

  package var message: String {
    switch self {
    case .notReportable(let path, let found): "nothing to report of \(printable(path)): \(found)"
    case .noFloat(let path, let name, let digest):
      "\(printable(path)) was made from \(printable(name)) (\(printable(digest))), which is not at hand"
    case .notAnalysable(let model): "no quantised model is at hand to compare \(printable(model)) with"
    case .needsOut: "several runs have no place in common for their report"
    case .notAReport(let path, let problem): "\(printable(path)) is no data of a report: \(problem)"
    case .notAnalysed(let path): "\(printable(path)) does not say which layers make the error"
    case .choice(let path, let asked?, let known):
      "\(printable(path)) has no analysed model \(printable(asked)); it has \(known.map { printable($0) }.joined(separator: ", "))"
    case .choice(let path, nil, let known):
      "\(printable(path)) has several analysed models: \(known.map { printable($0) }.joined(separator: ", "))"
    case .otherModel(let path, let madeFrom, let model, let found):
      "\(printable(path)) is about a model quantised from \(printable(madeFrom)), and \(printable(model)) is \(printable(found))"
    case .tooMany(let path, let asked, let known):
      "--fix \(asked): \(printable(path)) knows \(known) layers with an error"
    }
  }

  package var hint: String? {
    switch self {
    case .notReportable: "give a run folder of sample, compare, ablate, demo or score, or a quantised model"
    case .noFloat: "name the float model with --model"
    case .needsOut: "name the page with --out report.html"
    case .notAReport: "'halftone report' writes it beside the page"
    case .notAnalysed: "'halftone report RUN --analyse' measures it"
    case .choice: "name one with --recipe"
    case .otherModel, .notAnalysable, .tooMany: nil
    }
  }
}
