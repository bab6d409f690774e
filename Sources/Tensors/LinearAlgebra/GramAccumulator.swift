import COpenBLAS

/// Sums of many vectors x: their Gram matrix (the sum of x x^T) and their plain sum, which calibration turns into means.
///
/// Vectors come in blocks of a fixed capacity, which fill up in the order they are added and are then folded in by one
/// rank-k update each (BLAS ssyrk, one thread). Which vectors share a block follows from their order alone, so the sums
/// have the same bits however calls divide the vectors, and on any thread. They are Float: the error of a sum of n
/// products of one sign is about n / capacity * 2^-24 of it, far below the damping that Hessians get. Another machine's
/// BLAS may round otherwise.
package struct GramAccumulator {
  /// Elements of a vector.
  package let width: Int
  /// Vectors a block holds.
  package let capacity: Int
  /// Vectors added so far.
  package private(set) var count = 0
  /// Upper triangle of the Gram matrix, row-major; empty where only the sum is wanted.
  private var products: [Float]
  private var sums: [Double]
  /// Element i of the block's vectors is row i: width x capacity.
  private var block: [Float]
  private var filled = 0

  /// - Parameters: gram: whether products are summed, or the vectors alone; capacity: at least 1.
  package init(width: Int, capacity: Int, gram: Bool) {
    precondition(width > 0 && capacity > 0)
    self.width = width
    self.capacity = capacity
    products = [Float](repeating: 0, count: gram ? width * width : 0)
    sums = [Double](repeating: 0, count: width)
    block = [Float](repeating: 0, count: width * capacity)
  }

  /// Bytes that an accumulator holds.
  package static func byteCount(width: Int, capacity: Int, gram: Bool) -> Int {
    4 * width * ((gram ? width : 0) + capacity) + 8 * width
  }

  /// Vectors that fit the block before it is folded in; never 0.
  package var room: Int { capacity - filled }

  /// Adds `vectors` vectors. `write` gets the block's free columns: element i of the vector j belongs at
  /// `base[i * stride + j]`; it must write them all.
  /// - Precondition: at most `room` vectors.
  package mutating func add(_ vectors: Int, _ write: (_ base: UnsafeMutablePointer<Float>, _ stride: Int) -> Void) {
    precondition(vectors <= room)
    let (start, stride) = (filled, capacity)
    block.withUnsafeMutableBufferPointer { write($0.baseAddress! + start, stride) }
    filled += vectors
    count += vectors
    if filled == capacity { fold() }
  }

  private mutating func fold() {
    if filled == 0 { return }
    OpenBLAS.prepare()
    for row in 0..<width {
      // Each row's sum by itself in Float, then in Double: as exact as the products.
      var sum: Float = 0
      for column in 0..<filled { sum += block[row * capacity + column] }
      sums[row] += Double(sum)
    }
    if !products.isEmpty {
      cblas_ssyrk(
        CblasRowMajor, CblasUpper, CblasNoTrans, blasint(width), blasint(filled), 1, block, blasint(capacity), 1,
        &products, blasint(width))
    }
    filled = 0
  }

  /// Folds in the last block, after which nothing more is added.
  package mutating func finish() { fold() }

  /// The mean vector; zeros when none was added. - Precondition: finished.
  package var mean: [Double] {
    precondition(filled == 0)
    return sums.map { $0 / Double(max(count, 1)) }
  }

  /// The mean of x x^T, without a copy. - Precondition: finished, and products were asked for.
  package var moments: GramMoments {
    precondition(filled == 0 && products.count == width * width)
    return GramMoments(order: width, products: products, scale: 1 / Double(max(count, 1)))
  }

  /// The mean of x x^T, both triangles. - Precondition: as of `moments`.
  package var meanProducts: DoubleMatrix {
    let moments = moments
    var matrix = DoubleMatrix(rows: width, columns: width)
    for i in 0..<width {
      for j in i..<width {
        let value = moments[i, j]
        matrix[i, j] = value
        matrix[j, i] = value
      }
    }
    return matrix
  }
}

/// E[x x^T] of some vectors x: a symmetric matrix that is read element by element.
package protocol SecondMoments {
  /// Elements of a vector.
  var order: Int { get }
  subscript(row: Int, column: Int) -> Double { get }
}

extension DoubleMatrix: SecondMoments {
  package var order: Int { rows }
}

/// Second moments as they were summed: in Float, one triangle.
package struct GramMoments: SecondMoments {
  package let order: Int
  fileprivate let products: [Float]
  fileprivate let scale: Double

  package subscript(row: Int, column: Int) -> Double {
    scale * Double(products[min(row, column) * order + max(row, column)])
  }
}
