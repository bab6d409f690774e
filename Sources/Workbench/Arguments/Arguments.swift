/// Image indices A-B, both included, as `--indices` writes them.
package struct IndexRange: Sendable, Equatable, CustomStringConvertible {
  package let bounds: ClosedRange<Int>
  /// Far beyond any run, and small enough that no arithmetic on indices overflows.
  package static let limit = 1 << 40

  package init(_ bounds: ClosedRange<Int>) { self.bounds = bounds }

  /// - Parameter text: `0-49999`, or one index.
  package init?(_ text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { Self.index($0) }
    switch parts.count {
    case 1: if let only = parts[0] { self.bounds = only...only } else { return nil }
    case 2:
      guard let first = parts[0], let last = parts[1], first <= last else { return nil }
      bounds = first...last
    default: return nil
    }
  }

  private static func index(_ text: Substring) -> Int? {
    guard text.allSatisfy({ $0.isASCII && $0.isNumber }), let value = Int(text), value < limit else { return nil }
    return value
  }

  package var description: String { "\(bounds.lowerBound)-\(bounds.upperBound)" }
}

/// Rows and columns of a grid of images, as `--grid` writes them: `8x8`.
package struct GridShape: Sendable, Equatable, CustomStringConvertible {
  package let rows: Int
  package let columns: Int
  package static let limit = 256

  package init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
  }

  package init?(_ text: String) {
    let parts = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let rows = parts[0], let columns = parts[1], (1...Self.limit).contains(rows),
      (1...Self.limit).contains(columns)
    else { return nil }
    self.init(rows: rows, columns: columns)
  }

  /// The most nearly square grid that shows `count` images and at most 10 rows of 10.
  package init(showing count: Int) {
    let shown = min(max(count, 1), 100)
    var columns = 1
    while columns * columns < shown { columns += 1 }
    self.init(rows: (shown + columns - 1) / columns, columns: columns)
  }

  package var description: String { "\(rows)x\(columns)" }
}

/// Class labels 0,1,2 as `--labels` writes them: image k gets label k mod count, whatever part of the run it is drawn in.
package struct LabelCycle: Sendable, Equatable, CustomStringConvertible {
  package let labels: [Int]

  package init?(_ text: String) {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard !parts.isEmpty, parts.allSatisfy({ ($0 ?? -1) >= 0 }) else { return nil }
    labels = parts.compactMap { $0 }
  }

  /// - Precondition: at least one.
  package init(_ labels: [Int]) { self.labels = labels }

  package func label(of image: Int) -> Int { labels[image % labels.count] }

  package var description: String { labels.map(String.init).joined(separator: ",") }
}

/// Positive counts 1,8,32 as `--batch` of `bench` writes them.
package struct CountList: Sendable, Equatable, CustomStringConvertible {
  package let counts: [Int]

  package init(_ counts: [Int]) { self.counts = counts }

  package init?(_ text: String) {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard !parts.isEmpty, parts.allSatisfy({ $0 != nil }) else { return nil }
    counts = parts.compactMap { $0 }
  }

  package var description: String { counts.map(String.init).joined(separator: ",") }
}
