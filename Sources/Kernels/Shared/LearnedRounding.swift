import CKernels

// AdaRound (Nagel et al. 2020, "Up or down? Adaptive rounding for post-training quantization", equations 22 to 24).

/// The rectified sigmoid before it is clamped, and the sigmoid.
@inline(__always) private func rectified(
  _ alpha: SIMD16<Float>
) -> (value: SIMD16<Float>, sigmoid: SIMD16<Float>) {
  let one = SIMD16<Float>(repeating: 1)
  let sigmoid = one / (one + exponential(-alpha))
  return (ht_fma16(sigmoid, SIMD16(repeating: 1.2), SIMD16(repeating: -0.1)), sigmoid)
}

@inline(__always) private func clamped(_ x: SIMD16<Float>, _ largest: Float) -> SIMD16<Float> {
  ht_min16(SIMD16(repeating: largest), ht_max16(SIMD16(repeating: 0), x))
}

/// The weights that logits stand for. See `ht_soft_rounding`.
func softWeights(_ arguments: UnsafePointer<ht_soft_rounding>) {
  let a = arguments.pointee
  let (scale, zero) = (SIMD16<Float>(repeating: a.scale), SIMD16<Float>(repeating: a.zero_point))
  var i = 0
  while i < Int(a.count) {
    let n = Int64(min(Int(a.count) &- i, 16))
    var code = ht_load_first16(a.alpha + i, n)
    if let base = a.base {
      code = ht_load_first16(base + i, n) + clamped(rectified(code).value, 1)
    } else {
      code = code.rounded(.toNearestOrEven)
    }
    code = clamped(code, a.largest)
    ht_store_first16(a.values + i, scale * (code - zero), n)
    i &+= 16
  }
}

/// From the gradient by the weights to that by the logits, in place. See `ht_soft_rounding`.
func softGradient(_ arguments: UnsafePointer<ht_soft_rounding>) {
  let a = arguments.pointee
  guard let base = a.base else { return straightGradient(a) }
  let (zero, one) = (SIMD16<Float>(repeating: 0), SIMD16<Float>(repeating: 1))
  let offset = SIMD16<Float>(repeating: a.zero_point)
  let largest = SIMD16<Float>(repeating: a.largest)
  var scaleGradient = zero
  var i = 0
  while i < Int(a.count) {
    let n = Int64(min(Int(a.count) &- i, 16))
    let (value, sigmoid) = rectified(ht_load_first16(a.alpha + i, n))
    let h = clamped(value, 1)
    let code = ht_load_first16(base + i, n) + h
    let dw = ht_load_first16(a.values + i, n)
    scaleGradient = ht_fma16(dw, clamped(code, a.largest) - offset, scaleGradient)
    var slope = (dw * a.scale).replacing(with: zero, where: (code .< zero) .| (code .> largest))
    if a.penalty > 0 {
      // -penalty 2 beta |2 h - 1|^(beta - 1) sign(2 h - 1).
      let side = h + h - one
      let size = ht_max16(SIMD16(repeating: 1e-20), ht_max16(-side, side))
      let power = exponential(logarithm(size) * (a.exponent - 1)) * (-2 * a.penalty * a.exponent)
      slope += power.replacing(with: -power, where: side .< zero)
    }
    slope = slope * (sigmoid * (one - sigmoid)) * 1.2
    ht_store_first16(a.values + i, slope.replacing(with: zero, where: (value .<= zero) .| (value .>= one)), n)
    i &+= 16
  }
  a.scale_gradient?.pointee = sumOfLanes(scaleGradient)
}

/// The straight-through gradient: the rounding is passed over, the ends of the grid are not (Bengio et al. 2013).
private func straightGradient(_ a: ht_soft_rounding) {
  let zero = SIMD16<Float>(repeating: 0)
  let offset = SIMD16<Float>(repeating: a.zero_point)
  var scaleGradient = zero
  var i = 0
  while i < Int(a.count) {
    let n = Int64(min(Int(a.count) &- i, 16))
    let code = ht_load_first16(a.alpha + i, n)
    let dw = ht_load_first16(a.values + i, n)
    let rounded = clamped(code.rounded(.toNearestOrEven), a.largest)
    scaleGradient = ht_fma16(dw, rounded - offset, scaleGradient)
    let isOutside = (code .< zero) .| (code .> SIMD16(repeating: a.largest))
    ht_store_first16(a.values + i, (dw * a.scale).replacing(with: zero, where: isOutside), n)
    i &+= 16
  }
  a.scale_gradient?.pointee = sumOfLanes(scaleGradient)
}

/// One step of Adam (Kingma & Ba 2015, algorithm 1). See `ht_adam`.
func adam(_ arguments: UnsafePointer<ht_adam>) {
  let a = arguments.pointee
  var i = 0
  while i < Int(a.count) {
    let n = Int64(min(Int(a.count) &- i, 16))
    let gradient = ht_load_first16(a.gradient + i, n)
    let mean = ht_fma16(
      ht_load_first16(a.mean + i, n), SIMD16(repeating: a.decay1), gradient * (1 - a.decay1))
    let square = ht_fma16(
      ht_load_first16(a.square + i, n), SIMD16(repeating: a.decay2), gradient * gradient * (1 - a.decay2))
    let step = mean * a.rate / ((square * a.square_factor).squareRoot() + a.epsilon)
    ht_store_first16(a.mean + i, mean, n)
    ht_store_first16(a.square + i, square, n)
    ht_store_first16(a.values + i, ht_load_first16(a.values + i, n) - step, n)
    i &+= 16
  }
}
