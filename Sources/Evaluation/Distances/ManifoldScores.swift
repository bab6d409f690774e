import Synchronization
import Tensors

/// Precision and recall (Kynkäänniemi et al. 2019, equation 2, k = 3) and density and coverage (Naeem et al. 2020, equations
/// 3 and 5, k = 5): how many generated images lie in balls around reference images, and the other way round. A ball's
/// radius is the distance to the k-th nearest image of its own set.
package struct ManifoldScores: Sendable, Equatable {
  package static let precisionNeighbours = 3
  package static let densityNeighbours = 5

  /// Share of generated images that lie in a ball of the reference.
  package let precision: Double
  /// Share of reference images that lie in a ball of the generated set.
  package let recall: Double
  /// Balls of the reference around a generated image, over k; 1 is expected for equal distributions.
  package let density: Double
  /// Share of reference balls that hold a generated image.
  package let coverage: Double
  package let warnings: [String]

  /// Rows and columns of one block of distances; memory for each thread is 8 * 512 (2 d + 512) bytes.
  private static let block = 512

  /// All four in three passes over pairs of images. Deterministic, and independent of the pool.
  /// - Throws: `EvaluationError` when the sets cannot be compared, or one has fewer than 6 images.
  package static func compute(
    generated: FeatureSet, reference: FeatureSet, pool: WorkerPool
  ) throws(EvaluationError) -> ManifoldScores {
    try FeatureSet.requireComparable(generated, reference)
    let smaller = min(generated.count, reference.count)
    guard smaller > densityNeighbours else {
      throw .tooFewForMetric(metric: "density and coverage", needed: densityNeighbours + 1, found: smaller)
    }
    do throws(LinearAlgebraError) {
      let (a, b) = (Side(generated), Side(reference))
      let radiiA = try radii(a, pool)
      let radiiB = try radii(b, pool)
      return try cross(a, b, radiiA, radiiB, pool, warnings: warnings(generated.count, reference.count))
    } catch {
      throw .linearAlgebra(error)
    }
  }

  private static func warnings(_ generated: Int, _ reference: Int) -> [String] {
    var out: [String] = []
    if generated != reference {
      out.append(
        "precision, recall, density, coverage: \(generated) and \(reference) images; they depend on both numbers, so compare "
          + "only figures with the same")
    }
    if min(generated, reference) < 1000 {
      out.append(
        "precision, recall, density, coverage: \(min(generated, reference)) images are few; published figures use 10000 and more"
      )
    }
    return out
  }

  /// A set with its rows' squared norms.
  private struct Side: Sendable {
    let set: FeatureSet
    let norms: [Double]
    init(_ set: FeatureSet) {
      self.set = set
      norms = set.squaredNorms()
    }
    var count: Int { norms.count }
  }

  /// Squared distances to the 3rd and the 5th nearest other image of the set.
  private struct Radii: Sendable {
    var precision: [Double]
    var density: [Double]
  }

  /// Distances come from |x|^2 + |y|^2 - 2 x.y in Double, off by some 1e-15 of the norms. What is as near as the radius to
  /// within a thousand times that counts as inside, so that ties (equal images in both sets) are decided the same way
  /// whichever of the two is the row.
  @inline(__always) private static func isInside(_ distance: Double, _ radius: Double, _ norms: Double) -> Bool {
    distance <= radius + 1e-12 * norms
  }

  private static func radii(_ side: Side, _ pool: WorkerPool) throws(LinearAlgebraError) -> Radii {
    let kept = densityNeighbours
    let found = Mutex(
      Radii(
        precision: [Double](repeating: 0, count: side.count), density: [Double](repeating: 0, count: side.count)))
    try forEachRowBlock(side, side, pool) { rows, visit throws(LinearAlgebraError) in
      // The nearest of each row so far, ascending.
      var nearest = [Double](repeating: .infinity, count: rows.count * kept)
      try visit { row, column, distance in
        if row == column { return }
        let first = (row - rows.lowerBound) * kept
        if distance >= nearest[first + kept - 1] { return }
        var place = kept - 1
        while place > 0 && nearest[first + place - 1] > distance {
          nearest[first + place] = nearest[first + place - 1]
          place -= 1
        }
        nearest[first + place] = distance
      }
      found.withLock { radii in
        for row in rows {
          let first = (row - rows.lowerBound) * kept
          radii.precision[row] = nearest[first + precisionNeighbours - 1]
          radii.density[row] = nearest[first + kept - 1]
        }
      }
    }
    return found.withLock { $0 }
  }

  /// Counts of what lies where; integers and minima, so that threads may add theirs in any order.
  private struct Tally: Sendable {
    var precise = 0
    var ballsHit = 0
    var recalled: [Bool]
    var covered: [Bool]
  }

  private static func cross(
    _ a: Side, _ b: Side, _ radiiA: Radii, _ radiiB: Radii, _ pool: WorkerPool, warnings: [String]
  ) throws(LinearAlgebraError) -> ManifoldScores {
    let none = [Bool](repeating: false, count: b.count)
    let total = Mutex(Tally(recalled: none, covered: none))
    try forEachRowBlock(a, b, pool) { rows, visit throws(LinearAlgebraError) in
      var tally = Tally(recalled: none, covered: none)
      var precise = [Bool](repeating: false, count: rows.count)
      try visit { row, column, distance in
        let norms = a.norms[row] + b.norms[column]
        if isInside(distance, radiiB.precision[column], norms) { precise[row - rows.lowerBound] = true }
        if isInside(distance, radiiA.precision[row], norms) { tally.recalled[column] = true }
        if isInside(distance, radiiB.density[column], norms) {
          tally.ballsHit += 1
          tally.covered[column] = true
        }
      }
      tally.precise = precise.count { $0 }
      total.withLock { sum in
        sum.precise += tally.precise
        sum.ballsHit += tally.ballsHit
        for column in 0..<b.count {
          if tally.recalled[column] { sum.recalled[column] = true }
          if tally.covered[column] { sum.covered[column] = true }
        }
      }
    }
    let tally = total.withLock { $0 }
    let (countA, countB) = (Double(a.count), Double(b.count))
    return ManifoldScores(
      precision: Double(tally.precise) / countA, recall: Double(tally.recalled.count { $0 }) / countB,
      density: Double(tally.ballsHit) / (Double(densityNeighbours) * countA),
      coverage: Double(tally.covered.count { $0 }) / countB, warnings: warnings)
  }

  private typealias Visitor = (_ row: Int, _ column: Int, _ squaredDistance: Double) -> Void

  /// Calls `body` once for each block of a's rows, on any thread, with a function that visits the block's squared distances
  /// to all rows of b.
  private static func forEachRowBlock(
    _ a: Side, _ b: Side, _ pool: WorkerPool,
    _ body: (_ rows: Range<Int>, _ visit: (Visitor) throws(LinearAlgebraError) -> Void) throws(LinearAlgebraError) ->
      Void
  ) throws(LinearAlgebraError) {
    let failure = Mutex<LinearAlgebraError?>(nil)
    pool.parallel((a.count + block - 1) / block) { number in
      let rows = number * block..<min((number + 1) * block, a.count)
      do throws(LinearAlgebraError) {
        try body(rows) { visitor throws(LinearAlgebraError) in
          let left = a.set.matrix(rows)
          for start in stride(from: 0, to: b.count, by: block) {
            let columns = start..<min(start + block, b.count)
            let products = try left.multiplied(by: b.set.matrix(columns), transposed: true)
            for row in rows {
              for column in columns {
                let product = products[row - rows.lowerBound, column - start]
                visitor(row, column, max(a.norms[row] + b.norms[column] - 2 * product, 0))
              }
            }
          }
        }
      } catch {
        failure.withLock { $0 = error }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure }
  }
}
