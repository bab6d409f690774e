import Tensors

/// The learned codes of a vector-quantised first stage (van den Oord et al. 2017, section 3.1).
package struct Codebook: Sendable, Equatable {
  /// [codes, channels].
  package let codes: Tensor

  /// - Precondition: at least one code of at least one channel.
  package init(_ codes: Tensor) {
    precondition(codes.rank == 2 && codes.count > 0, "a codebook of shape \(codes.dims)")
    self.codes = codes
  }

  /// The codes of a first stage. - Parameter wanted: the array's name and shape.
  /// - Throws: `WeightsError` where the array is missing, of another shape or type, or not finite.
  package static func load(_ wanted: (name: String, dims: [Int]), from source: any WeightSource) throws -> Codebook {
    func refuse(_ problem: WeightsError.Problem) -> WeightsError {
      WeightsError(file: source.label, problems: [problem])
    }
    guard let entry = source.entry(wanted.name) else { throw refuse(.missing(name: wanted.name, dims: wanted.dims)) }
    guard entry.dims == wanted.dims else {
      throw refuse(.shape(name: wanted.name, expected: wanted.dims, found: entry.dims))
    }
    guard entry.type.isFloatingPoint else { throw refuse(.elementType(name: wanted.name, found: entry.type)) }
    let reader = WeightReader(source)
    let codes = try reader.read(wanted.name)
    if let finding = reader.findings[wanted.name] {
      throw refuse(
        .notFinite(name: wanted.name, value: finding.value, position: finding.position, count: finding.count))
    }
    return Codebook(codes)
  }

  /// For each position the number of the nearest code by squared distance, the lower of two that are equally near. Distances are
  /// summed in Double from the first channel to the last, so they have the same bits on every machine.
  /// - Parameters: z: N C H W with the codes' channels; pool: divides the positions.
  /// - Returns: N H W numbers.
  package func indices(of z: Tensor, pool: WorkerPool) -> [Int] {
    precondition(z.rank == 4 && z.dims[1] == codes.dims[1], "values of shape \(z.dims), codes of \(codes.dims)")
    let (channels, area) = (z.dims[1], z.dims[2] * z.dims[3])
    let rows = z.dims[0] * z.dims[2]
    let width = z.dims[3]
    let count = codes.dims[0]
    var out = [Int](repeating: 0, count: z.dims[0] * area)
    out.withUnsafeMutableBufferPointer { out in
      codes.values.withUnsafeBufferPointer { codes in
        z.values.withUnsafeBufferPointer { z in
          pool.parallel(rows) { row in
            for position in (row * width)..<((row + 1) * width) {
              let start = position / area * channels * area + position % area
              var nearest = (code: 0, distance: Double.infinity)
              for code in 0..<count {
                var distance = 0.0
                for channel in 0..<channels {
                  let difference = Double(z[start + channel * area]) - Double(codes[code * channels + channel])
                  distance += difference * difference
                }
                if distance < nearest.distance { nearest = (code, distance) }
              }
              out[position] = nearest.code
            }
          }
        }
      }
    }
    return out
  }

  /// Every position replaced by its nearest code. - Parameter z: N C H W.
  package func quantized(_ z: Tensor, pool: WorkerPool) -> Tensor {
    let (channels, area) = (z.dims[1], z.dims[2] * z.dims[3])
    var out = z
    for (position, code) in indices(of: z, pool: pool).enumerated() {
      let start = position / area * channels * area + position % area
      for channel in 0..<channels { out.values[start + channel * area] = codes.values[code * channels + channel] }
    }
    return out
  }
}

extension Tensor {
  /// bound tanh(x / bound), elementwise, in Double by operations whose bits are equal on every machine: what the decoder of
  /// diffusers' `AutoencoderTiny` does to latents first.
  package func softlyBounded(by bound: Double) -> Tensor {
    Tensor(
      dims,
      values.map { x in
        // tanh u = 1 - 2 / (exp(2 u) + 1)
        Float(bound * (1 - 2 / (PortableMath.exp(2 * Double(x) / bound) + 1)))
      })
  }
}
