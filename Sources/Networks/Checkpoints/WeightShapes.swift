import Tensors

/// Looks at names and shapes of a checkpoint and collects what is not as a family has it.
final class WeightShapes {
  private let source: any WeightSource
  private let family: String
  private(set) var problems: [String] = []

  init(_ source: any WeightSource, family: String) {
    self.source = source
    self.family = family
  }

  func has(_ name: String) -> Bool { source.entry(name) != nil }
  func has(suffix: String) -> Bool { source.entries.contains { $0.name.hasSuffix(suffix) } }

  func report(_ problem: String) { problems.append(problem) }

  /// The length of an array's axis; 1 when the array or the axis is missing, which is reported.
  func dim(_ name: String, _ axis: Int) -> Int {
    guard let entry = source.entry(name) else {
      report("missing: \(name)")
      return 1
    }
    guard axis < entry.dims.count, entry.dims[axis] > 0 else {
      report("\(name): expected at least \(axis + 1) axes of one element or more, found shape \(entry.dims)")
      return 1
    }
    return entry.dims[axis]
  }

  /// How many of the names of 0, 1, 2, … follow one another.
  func count(_ name: (Int) -> String) -> Int {
    var number = 0
    while has(name(number)) { number += 1 }
    return number
  }

  /// Throws what was reported.
  func finish() throws(CheckpointError) {
    if !problems.isEmpty { throw .structure(file: source.label, family: family, problems: problems) }
  }
}

/// Attention resolutions as configurations say them, and the levels that they mean for images of one size: a level attends if
/// its resolution is in the list. Resolutions that no level has mean nothing.
struct AttentionResolutions {
  let size: SampleSize
  let levels: Int

  /// The levels whose resolution is listed.
  func levels(of resolutions: [Int]) -> [Int] {
    (0..<levels).filter { resolutions.contains(max(size.height, size.width) >> $0) }
  }

  /// The levels whose factor of reduction is the size divided by a listed resolution, rounded down.
  func levels(dividingBy resolutions: [Int]) -> [Int] {
    (0..<levels).filter { level in resolutions.contains { $0 > 0 && max(size.height, size.width) / $0 == 1 << level } }
  }

  /// The resolutions of levels, the highest first.
  func shown(_ levels: [Int]) -> [Int] { levels.map { max(size.height, size.width) >> $0 } }
}
