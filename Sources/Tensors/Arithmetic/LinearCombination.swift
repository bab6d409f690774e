// Per-element arithmetic of samplers. Each result is formed in Double from unrounded coefficients and rounded to Float
// once: no order of Float operations to agree on, and bits that are equal on every machine (no contraction, no libm).

extension Tensor {
  /// a x + b y, elementwise.
  /// - Precondition: equal dims.
  package static func combining(_ a: Double, _ x: Tensor, _ b: Double, _ y: Tensor) -> Tensor {
    precondition(x.dims == y.dims)
    let values = [Float](unsafeUninitializedCapacity: x.count) { buffer, initialized in
      x.values.withUnsafeBufferPointer { x in
        y.values.withUnsafeBufferPointer { y in
          for i in 0..<x.count { buffer.initializeElement(at: i, to: Float(a * Double(x[i]) + b * Double(y[i]))) }
        }
      }
      initialized = x.count
    }
    return Tensor(x.dims, values)
  }

  /// a x + b y + c z, elementwise.
  /// - Precondition: equal dims.
  package static func combining(
    _ a: Double, _ x: Tensor, _ b: Double, _ y: Tensor, _ c: Double, _ z: Tensor
  ) -> Tensor {
    precondition(x.dims == y.dims && x.dims == z.dims)
    let values = [Float](unsafeUninitializedCapacity: x.count) { buffer, initialized in
      x.values.withUnsafeBufferPointer { x in
        y.values.withUnsafeBufferPointer { y in
          z.values.withUnsafeBufferPointer { z in
            for i in 0..<x.count {
              buffer.initializeElement(
                at: i, to: Float(a * Double(x[i]) + b * Double(y[i]) + c * Double(z[i])))
            }
          }
        }
      }
      initialized = x.count
    }
    return Tensor(x.dims, values)
  }

  /// The sum of as many tensors as there are, each with its factor, elementwise, added up in the order given.
  /// - Precondition: at least one term, equal dims.
  package static func combining(_ terms: [(factor: Double, tensor: Tensor)]) -> Tensor {
    let dims = terms[0].tensor.dims
    precondition(terms.allSatisfy { $0.tensor.dims == dims })
    var sums = [Double](repeating: 0, count: terms[0].tensor.count)
    for (factor, tensor) in terms {
      tensor.values.withUnsafeBufferPointer { values in
        for i in sums.indices { sums[i] += factor * Double(values[i]) }
      }
    }
    return Tensor(dims, sums.map { Float($0) })
  }

  /// Every value limited to [-bound, bound]; NaN stays NaN.
  package func clamped(to bound: Float) -> Tensor {
    Tensor(dims, values.map { $0 > bound ? bound : $0 < -bound ? -bound : $0 })
  }

  /// The first and the second half of the channels of every image.
  /// - Precondition: N C H W with an even C.
  package func channelHalves() -> (first: Tensor, second: Tensor) {
    precondition(rank == 4 && dims[1] % 2 == 0)
    let half = dims[1] / 2 * dims[2] * dims[3]
    let halfDims = [dims[0], dims[1] / 2, dims[2], dims[3]]
    func taking(_ part: Int) -> Tensor {
      var taken: [Float] = []
      taken.reserveCapacity(dims[0] * half)
      for image in 0..<dims[0] { taken += values[((2 * image + part) * half)..<((2 * image + part + 1) * half)] }
      return Tensor(halfDims, taken)
    }
    return (taking(0), taking(1))
  }

  /// The channels of one tensor, then those of another, image by image.
  /// - Precondition: N C H W both, equal but for C.
  package static func joiningChannels(_ first: Tensor, _ second: Tensor) -> Tensor {
    precondition(first.rank == 4 && second.rank == 4 && first.dims[0] == second.dims[0])
    precondition(first.dims[2...] == second.dims[2...])
    let images = 0..<first.dims[0]
    return Tensor(
      [images.count, first.dims[1] + second.dims[1]] + first.dims[2...],
      images.flatMap { first.rows($0..<$0 + 1).values + second.rows($0..<$0 + 1).values })
  }
}
