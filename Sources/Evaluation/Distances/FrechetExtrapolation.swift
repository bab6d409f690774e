import Synchronization
import Tensors

/// The Fréchet distance of a generated set as it would be with infinitely many images (Chong & Forsyth 2020, section 4): its
/// bias falls as 1/n, so a line through the distances of smaller random subsets over 1/n meets 1/n = 0 at the unbiased
/// value. The reference's statistics stay as they are.
///
/// Differs: the paper takes one subset of each of 15 sizes. Here the images are cut into k equal parts, for k = 1 to 5, and
/// the distances of the parts averaged, so that every size sees all images: the line scatters far less.
package struct FrechetExtrapolation: Sendable, Equatable {
  /// At 1/n = 0; may be negative by as much as it scatters.
  package let distance: Double
  /// A 95 % interval of it for the choice of generated images, by `GroupJackknife`.
  package let interval: ClosedRange<Double>
  /// Distance per 1/n.
  package let slope: Double
  /// Numbers of images, and the mean distance of parts of so many.
  package let points: [Point]
  package let warnings: [String]

  package struct Point: Sendable, Equatable {
    package let count: Int
    package let distance: Double
  }

  package static let mostParts = 5
  package static let smallestCount = 40

  /// 11 lines of up to 15 distances each. Memory for each thread: five d x d matrices of Double.
  /// - Parameter seed: of the order that parts and groups are cut from.
  /// - Throws: `EvaluationError` for fewer than 40 generated images, other extractors or dimensions, and no covariance.
  package static func compute(
    generated: FeatureSet, reference: FrechetSide, seed: UInt64, pool: WorkerPool
  ) throws(EvaluationError) -> FrechetExtrapolation {
    guard generated.count >= smallestCount else {
      throw .tooFewForMetric(metric: "an extrapolation", needed: smallestCount, found: generated.count)
    }
    let order = ScoreRandom.choice(generated.count, of: generated.count, seed: seed, .generatedGroups, 0)
    // All images, then all but one group, group after group.
    let sets = [order] + GroupJackknife.withoutGroups(generated.count, seed: seed, .generatedGroups)
    let most = partLimit(generated.count, dimension: generated.dimension)
    let tasks = sets.indices.flatMap { set in
      (1...most).flatMap { parts in (0..<parts).map { (set: set, parts: parts, part: $0) } }
    }
    let found = Mutex([Result<Double, EvaluationError>?](repeating: nil, count: tasks.count))
    pool.parallel(tasks.count) { position in
      let task = tasks[position]
      let size = sets[task.set].count / task.parts
      let images = sets[task.set][(task.part * size)..<((task.part + 1) * size)]
      let distance = Result { () throws(EvaluationError) in
        let side = try FrechetSide(generated.statistics(of: Array(images)), name: "the generated images")
        return try FrechetDistance.compute(side, reference).distance
      }
      found.withLock { $0[position] = distance }
    }
    var points = sets.map { set in (1...most).map { (count: set.count / $0, sum: 0.0, parts: Double($0)) } }
    for (task, result) in zip(tasks, found.withLock { $0 }) {
      if let distance = try result?.get() { points[task.set][task.parts - 1].sum += distance }
    }
    let lines = points.map { line($0.map { Point(count: $0.count, distance: $0.sum / $0.parts) }) }
    let error = GroupJackknife.squaredError(lines.dropFirst().map(\.intercept))
    let centre = lines[0].intercept
    return FrechetExtrapolation(
      distance: centre, interval: GroupJackknife.interval(centre, squaredErrors: [error]), slope: lines[0].slope,
      points: points[0].map { Point(count: $0.count, distance: $0.sum / $0.parts) },
      warnings: warnings(generated.count, most, dimension: generated.dimension))
  }

  /// As many parts as leave twice the images that a covariance of full rank needs: with fewer the bias is no longer a
  /// multiple of 1/n. At least 2, for there to be a line.
  private static func partLimit(_ count: Int, dimension: Int) -> Int {
    min(max(count / (2 * (dimension + 1)), 2), mostParts)
  }

  private static func warnings(_ count: Int, _ parts: Int, dimension: Int) -> [String] {
    count / parts >= 2 * (dimension + 1)
      ? []
      : [
        "extrapolation: \(count) images for \(dimension) features; below \(4 * (dimension + 1)) the bias is not a multiple of "
          + "1/N, and the result is off by more than its interval says"
      ]
  }

  /// Least squares of distance over 1/n.
  private static func line(_ points: [Point]) -> (intercept: Double, slope: Double) {
    let x = points.map { 1 / Double($0.count) }
    let y = points.map(\.distance)
    let n = Double(points.count)
    let (meanX, meanY) = (x.reduce(0, +) / n, y.reduce(0, +) / n)
    let covariance = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
    let variance = x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
    let slope = covariance / variance
    return (meanY - slope * meanX, slope)
  }
}

extension FeatureSet {
  private static let statisticsBlock = 512

  /// Mean and covariance (divisor n - 1) of the images at `positions`, summed in Double around the mean.
  /// - Precondition: at least 2.
  func statistics(of positions: [Int]) throws(EvaluationError) -> FeatureStatistics {
    precondition(positions.count >= 2)
    var mean = [Double](repeating: 0, count: dimension)
    for row in positions {
      for i in 0..<dimension { mean[i] += Double(values[row * dimension + i]) }
    }
    for i in mean.indices { mean[i] /= Double(positions.count) }
    var covariance = DoubleMatrix(rows: dimension, columns: dimension)
    for start in stride(from: 0, to: positions.count, by: Self.statisticsBlock) {
      var part = matrix(Array(positions[start..<min(start + Self.statisticsBlock, positions.count)]))
      for row in 0..<part.rows {
        for i in 0..<dimension { part[row, i] -= mean[i] }
      }
      let columns = part.transposed
      do throws(LinearAlgebraError) {
        let product = try columns.multiplied(by: columns, transposed: true)
        for i in product.values.indices { covariance.values[i] += product.values[i] }
      } catch {
        throw .linearAlgebra(error)
      }
    }
    for i in covariance.values.indices { covariance.values[i] /= Double(positions.count - 1) }
    return FeatureStatistics(count: positions.count, mean: mean, covariance: covariance, extractor: extractor)
  }
}
