/// What random numbers are for; each stream is disjoint from the others under every seed.
package enum NoiseStream: UInt32, Sendable, CaseIterable {
  case sample = 0
  case calibrate = 1
  case recipe = 2
  /// Latents drawn from what an encoder says of an image.
  case encode = 3
}

/// Which of an image's noise tensors: the start of its trajectory, or the noise that one sampling step adds.
package enum NoiseDraw: Hashable, Sendable {
  /// x_T.
  case initial
  /// By the step's position in execution order.
  case step(Int)

  /// Second word of the counter.
  var word: UInt32 {
    switch self {
    case .initial: 0
    case .step(let index): UInt32(index) + 1
    }
  }
}

/// Standard normal noise that depends on (seed, stream, image index, draw, element) alone: never on batch, threads, order
/// or machine.
///
/// One Philox block makes four neighbouring elements (in C H W order) of one image:
/// key = (seed low, seed high), counter = (element / 4, 0 for x_T or step + 1, index low, index high | stream << 28).
package struct NoiseSource: Sendable, Hashable {
  /// Image indices have 60 bits; the top four of the counter name the stream.
  package static let indexLimit = 1 << 60

  package let seed: UInt64
  package let stream: NoiseStream

  package init(seed: UInt64, stream: NoiseStream) {
    self.seed = seed
    self.stream = stream
  }

  /// The four random words of `block` (element / 4) of one image.
  package func words(image: Int, draw: UInt32, block: UInt32) -> SIMD4<UInt32> {
    Philox4x32.block(
      counter: SIMD4(
        block, draw, UInt32(truncatingIfNeeded: image),
        UInt32(truncatingIfNeeded: image >> 32) | stream.rawValue << 28),
      key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
  }

  /// Standard normals for a batch: one row of `shape` per entry of `images`.
  /// - Precondition: image indices lie in 0..<2^60, step indices in 0..<2^32 - 1.
  /// - Returns: N C H W, N = images.count.
  package func normals(images: [Int], shape: ImageShape, draw: NoiseDraw) -> Tensor {
    precondition(images.allSatisfy { (0..<Self.indexLimit).contains($0) })
    let elements = shape.count
    let drawWord = draw.word
    let values = [Float](unsafeUninitializedCapacity: images.count * elements) { buffer, initialized in
      var position = 0
      for image in images {
        var remaining = elements
        var block: UInt32 = 0
        while remaining > 0 {
          let normals = boxMuller(words(image: image, draw: drawWord, block: block))
          for lane in 0..<min(4, remaining) { buffer.initializeElement(at: position + lane, to: Float(normals[lane])) }
          position += min(4, remaining)
          remaining -= 4
          block += 1
        }
      }
      initialized = position
    }
    return Tensor([images.count] + shape.dims, values)
  }
}

/// Four independent standard normals from four uniform words (Box and Muller 1958): words 0 and 1 make the first pair,
/// words 2 and 3 the second.
///
/// z = sqrt(-2 ln u) (cos 2 pi v, sin 2 pi v) with u = (word + 1/2) / 2^32, so that u is never 0 and |z| stays below 6.77.
/// Computed in Double with fixed series, so the bits are equal on every machine.
package func boxMuller(_ words: SIMD4<UInt32>) -> SIMD4<Double> {
  func pair(_ a: UInt32, _ b: UInt32) -> (Double, Double) {
    let radius = (-2 * PortableMath.log((Double(a) + 0.5) * 0x1p-32)).squareRoot()
    let (sine, cosine) = PortableMath.sineCosine(turns: (Double(b) + 0.5) * 0x1p-32)
    return (radius * cosine, radius * sine)
  }
  let first = pair(words[0], words[1])
  let second = pair(words[2], words[3])
  return SIMD4(first.0, first.1, second.0, second.1)
}
