/// What a profile calls the steps.
extension ProgramStep {
  /// nil for contractions and attentions, whose parts are timed by themselves.
  var work: String? {
    switch self {
    case .contraction, .attention: nil
    case .materialize(let preparation, _): preparation.work(writing: .float)
    case .add: "add"
    case .affine: "affine"
    case .addPerChannel: "add per channel"
    case .concatenate: "concatenate"
    case .averagePool: "average pool"
    case .pool(_, _, let pooling, _, _, _, _, _): "\(pooling.kind.rawValue) of a \(pooling.size)x\(pooling.size) window"
    case .globalAveragePool: "global average pool"
    case .copy: "copy"
    case .vectorInput, .embed, .divideByTimestep: "temporal"
    }
  }
}

extension AttentionProduct {
  var work: String { "attention products, \(codes == nil ? "float" : "integer")" }
}

extension Contraction {
  /// `convolution 3x3 integer`.
  var work: String {
    let kernel =
      switch taps {
      case 1: "1x1 or linear"
      case 9: "convolution 3x3"
      case let taps: "convolution of \(taps) taps"
      }
    if winograd != nil { return "\(kernel), float, Winograd" }
    return "\(kernel), \(isInteger ? "integer" : isBFloat16 ? "bfloat16" : "float")"
  }
}

extension Preparation {
  /// `norm, silu, quantise`.
  func work(writing elements: ProgramRunner.StoredElements) -> String {
    var parts: [String] = []
    if norm != nil { parts.append("norm") }
    switch rowFunction {
    case .layerNorm: parts.append("layer norm")
    case .geglu: parts.append("geglu")
    case nil: break
    }
    if let activation { parts.append(activation.rawValue) }
    if upsamples { parts.append("upsample") }
    switch elements {
    case .float: parts.append("copy")
    case .bfloat16: parts.append("round to bfloat16")
    case .codes: parts.append("quantise")
    }
    return parts.joined(separator: ", ")
  }
}
