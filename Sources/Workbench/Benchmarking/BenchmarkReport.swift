import Graphs
import Tensors

/// What a benchmark found, as tables and as JSON.
package struct BenchmarkReport: Sendable {
  package let model: String
  package let rows: [Benchmark.Row]
  package let rounds: Int
  /// Of the whole process, bytes.
  package let peakMemory: Int?

  package init(model: String, rows: [Benchmark.Row], rounds: Int, peakMemory: Int?) {
    self.model = model
    self.rows = rows
    self.rounds = rounds
    self.peakMemory = peakMemory
  }

  /// Instruction sets in the order of the rows.
  private var sets: [InstructionSet] {
    rows.reduce(into: []) { if !$0.contains($1.instructionSet) { $0.append($1.instructionSet) } }
  }

  private func areAlike(_ a: Benchmark.Row, _ b: Benchmark.Row) -> Bool {
    a.threads == b.threads && a.batch == b.batch && a.instructionSet == b.instructionSet
  }

  /// How many times faster than the float model with the same kernels, threads and batch; nil for the float model itself.
  package func speedup(of row: Benchmark.Row) -> Double? {
    let float = rows.first { !$0.isQuantized && $0.executor == .float && areAlike($0, row) }
    return !row.isQuantized && row.executor == .float ? nil : float.map { $0.milliseconds / row.milliseconds }
  }

  /// Rows of quantised models that are not faster than the float model in its faster arithmetic.
  package var slowerThanFloat: [Benchmark.Row] {
    rows.filter { row in
      row.executor == .integer
        && rows.contains {
          !$0.isQuantized && areAlike($0, row) && $0.milliseconds < row.milliseconds
        }
    }
  }

  package var table: Table {
    var table = Table([
      ("model", .left), ("kernels", .left), ("threads", .right), ("batch", .right), ("ms per image", .right),
      ("range", .right),
      ("to float", .right), ("GOP/s", .right), ("of peak", .right), ("weights", .right), ("working memory", .right),
    ])
    for row in rows {
      table.add([
        row.variant, row.instructionSet.rawValue, "\(row.threads)", "\(row.batch)",
        fixed(row.milliseconds, 2) + (row.isDisturbed ? " *" : ""),
        "\(fixed(row.fastest, 2))-\(fixed(row.slowest, 2))", speedup(of: row).map { fixed($0, 2) + "x" } ?? "",
        fixed(row.gigaOperations, 0), fixed(100 * row.shareOfPeak, 0) + "%", shown(bytes: row.weightBytes),
        shown(bytes: row.arenaBytes),
      ])
    }
    return table
  }

  package var legend: String {
    let machine = Machine.current
    var lines = [
      "\(model): medians of \(rounds) interleaved rounds, \(sets.map(\.rawValue).joined(separator: ", ")) kernels, \(machine.processor), \(machine.logicalCores) logical cores. Peak: the convolution kernel on a tile in the first-level cache, measured before and after every call."
    ]
    if rows.contains(where: \.isDisturbed) {
      lines.append("* The machine was busy: too few rounds ran at its full rate, so all of them count.")
    }
    if let peakMemory { lines.append("Peak memory of the process, all models loaded: \(shown(bytes: peakMemory)).") }
    for row in slowerThanFloat {
      lines.append(
        "warning: \(row.variant) is slower than float with \(row.instructionSet.rawValue) kernels at \(row.threads) threads, batch \(row.batch)"
      )
    }
    return lines.joined(separator: "\n")
  }

  /// Where the time of one row goes; worker seconds, so the shares matter.
  package func workTable(of row: Benchmark.Row) -> Table {
    var table = Table([("work", .left), ("calls", .right), ("ms per image", .right), ("share", .right)])
    let total = row.work.reduce(0) { $0 + $1.seconds }
    for entry in row.work {
      table.add([
        entry.work, "\(entry.calls / row.batch)", fixed(entry.seconds * 1000 / Double(row.batch), 3),
        fixed(100 * entry.seconds / total, 1) + "%",
      ])
    }
    return table
  }

  package var value: ConfigurationValue {
    let machine = Machine.current
    return [
      "schema": 2, "model": .string(model), "rounds": .integer(rounds),
      "instruction_sets": .list(sets.map { .string($0.rawValue) }),
      "processor": .string(machine.processor), "logical_cores": .integer(machine.logicalCores),
      "peak_memory_bytes": peakMemory.map { .integer($0) } ?? .null,
      "rows": .list(
        rows.map { row in
          [
            "model": .string(row.variant), "instruction_set": .string(row.instructionSet.rawValue),
            "integer": .bool(row.executor == .integer), "threads": .integer(row.threads),
            "batch": .integer(row.batch), "milliseconds_per_image": .number(row.milliseconds),
            "fastest": .number(row.fastest), "slowest": .number(row.slowest),
            "undisturbed_rounds": .integer(row.cleanRounds), "disturbed": .bool(row.isDisturbed),
            "speedup_to_float": speedup(of: row).map { .number($0) } ?? .null,
            "giga_operations_per_second": .number(row.gigaOperations), "share_of_peak": .number(row.shareOfPeak),
            "peak_giga_operations_per_second": .number(2 * row.peakRate / 1e9),
            "weight_bytes": .integer(row.weightBytes), "working_bytes": .integer(row.arenaBytes),
            "work": .list(
              row.work.map { entry in
                [
                  "work": .string(entry.work), "calls": .integer(entry.calls),
                  "milliseconds_per_image": .number(entry.seconds * 1000 / Double(row.batch)),
                ]
              }),
          ]
        }),
    ]
  }
}
