import Tensors

/// A choice of timesteps as the released code of Nichol and Dhariwal 2021 and Dhariwal and Nichol 2021 writes it: the value
/// of its `timestep_respacing` flag, and of the `respacing` key here.
package struct Respacing: Sendable, Equatable {
  private enum Rule: Equatable {
    /// `ddim50`: the smallest whole stride from timestep 0 that gives exactly so many.
    case stride(count: Int)
    /// `250` or `10,10,20`: the schedule is divided into sections of equal length, the first ones longer by one where T does
    /// not divide; each gives so many timesteps, from its first to its last, evenly.
    case sections([Int])
  }
  private let rule: Rule

  private static let stridePrefix = "ddim"

  /// - Returns: nil when `text` is written otherwise.
  package init?(_ text: String) {
    func count(_ digits: Substring) -> Int? {
      guard digits.count <= 6, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
      return Int(digits).flatMap { BetaSchedule.trainTimestepRange.contains($0) ? $0 : nil }
    }
    if text.hasPrefix(Self.stridePrefix) {
      guard let steps = count(text.dropFirst(Self.stridePrefix.count)) else { return nil }
      rule = .stride(count: steps)
      return
    }
    var counts: [Int] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let steps = count(part) else { return nil }
      counts.append(steps)
    }
    guard counts.reduce(0, +) <= BetaSchedule.trainTimestepRange.upperBound else { return nil }
    rule = .sections(counts)
  }

  /// The flag's text.
  package var text: String {
    switch rule {
    case .stride(let count): "\(Self.stridePrefix)\(count)"
    case .sections(let counts): counts.map(String.init).joined(separator: ",")
    }
  }

  /// S, the number of timesteps it gives.
  package var steps: Int {
    switch rule {
    case .stride(let count): count
    case .sections(let counts): counts.reduce(0, +)
    }
  }

  /// The same rule with another number of steps; of several sections nobody can say which.
  func taking(steps: Int) throws(DiffusionError) -> Respacing {
    let text: String
    switch rule {
    case .stride: text = "\(Self.stridePrefix)\(steps)"
    case .sections(let counts):
      if counts.count > 1 { throw .respacingSections(respacing: self.text, steps: steps) }
      text = String(steps)
    }
    guard let changed = Respacing(text) else {
      throw .tooManySteps(steps: steps, trainTimesteps: BetaSchedule.trainTimestepRange.upperBound)
    }
    return changed
  }

  /// The timesteps, ascending.
  /// - Throws: `noStride` when no whole stride gives the number; `sectionTooShort` when a section has fewer timesteps.
  func timesteps(trainTimesteps: Int) throws(DiffusionError) -> [Int] {
    switch rule {
    case .stride(let count):
      func strided(by stride: Int) -> Int { (trainTimesteps + stride - 1) / stride }
      // The number of timesteps falls as the stride grows, so the first stride that does not give more decides.
      guard let stride = (1...trainTimesteps).first(where: { strided(by: $0) <= count }), strided(by: stride) == count
      else {
        let possible = Set((1...trainTimesteps).map(strided)).sorted()
        throw .noStride(
          steps: count, trainTimesteps: trainTimesteps, below: possible.last { $0 < count },
          above: possible.first { $0 > count })
      }
      return (0..<count).map { $0 * stride }
    case .sections(let counts):
      var timesteps: [Int] = []
      var start = 0
      for (section, count) in counts.enumerated() {
        let length = trainTimesteps / counts.count + (section < trainTimesteps % counts.count ? 1 : 0)
        if length < count {
          throw .sectionTooShort(respacing: text, section: section, length: length, steps: count)
        }
        // The stride is added up in Double and halves round to even, as the released code does in Python.
        let stride = count > 1 ? Double(length - 1) / Double(count - 1) : 1
        var position = 0.0
        for _ in 0..<count {
          timesteps.append(start + Int(position.rounded(.toNearestOrEven)))
          position += stride
        }
        start += length
      }
      return timesteps
    }
  }
}

extension Respacing {
  /// Reads the `respacing` key; nil when it is absent, or has been reported.
  init?(reading reader: ConfigurationReader) {
    let key = "respacing"
    switch reader.value(key) {
    case nil, .null: return nil
    case .string(let text):
      if let read = Respacing(text) {
        self = read
        return
      }
    // YAML reads 250 without quotes as a number.
    case .integer(let steps):
      if let read = Respacing(String(steps)) {
        self = read
        return
      }
    case .bool, .number, .list, .map: break
    }
    let found = reader.value(key)?.shown ?? "nothing"
    reader.report(key, "expected \"ddim50\", \"250\" or \"10,10,20\" with counts of at least 1, found \(found)")
    return nil
  }
}
