import Graphs

extension QuantizationTable {
  /// Throws unless every entry has a place in the graph.
  package func check(for graph: Graph) throws(ExecutionError) {
    let problems = problems(for: graph)
    if !problems.isEmpty { throw .table(problems: problems) }
  }

  /// Throws unless the table has rows for the sampling step.
  package func check(stepIndex: Int?) throws(ExecutionError) {
    let tables =
      activations.keys.sorted().map { ($0.description, activations[$0]!.key, activations[$0]!.rows.count) }
      + features.keys.sorted().map { ($0, features[$0]!.key, features[$0]!.rowCount) }
    for (name, key, rows) in tables {
      guard let rowsPerStep = key.rowsPerStep else { continue }
      let steps = rows / rowsPerStep
      guard let stepIndex else { throw .stepMissing(site: name) }
      guard (0..<steps).contains(stepIndex) else { throw .stepOutOfRange(index: stepIndex, count: steps) }
    }
  }
}
