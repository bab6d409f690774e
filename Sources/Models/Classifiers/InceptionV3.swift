import Tensors

/// Inception v3 (Szegedy et al. 2016) as the Fréchet inception distance uses it: TensorFlow's network of December 2015, named
/// as in pytorch-fid's and torch-fidelity's weight files. It differs from torchvision's in three things: averages leave the
/// padding out, the last block pools by maximum, and there are 1008 classes.
///
/// Batch normalisations are folded into the convolutions before them (`foldedWeights`).
package enum InceptionV3 {
  package enum Output: Sendable { case features, logits }

  package static let featureCount = 2048
  package static let classCount = 1008
  package static let imageShape = ImageShape(channels: 3, height: 299, width: 299)

  /// Images are in [-1, 1]. All parameters are declared either way, so that files are loaded strictly.
  /// - Parameter output: `features`: means over all positions, 2048 values per image; `logits`: one per class.
  package static func graph(_ output: Output) -> Graph {
    var g = GraphBuilder(imageShape: imageShape)
    var x = stem(&g)
    for (name, pooled) in [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)] {
      x = g.scope(name) { blockA(&$0, x, pooled: pooled) }
    }
    x = g.scope("Mixed_6a") { blockB(&$0, x) }
    for (name, width) in [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)] {
      x = g.scope(name) { blockC(&$0, x, width: width) }
    }
    x = g.scope("Mixed_7a") { blockD(&$0, x) }
    x = g.scope("Mixed_7b") { blockE(&$0, x, .mean) }
    x = g.scope("Mixed_7c") { blockE(&$0, x, .maximum) }
    let features = g.globalAveragePool("features", x)
    let logits = g.linear("fc", features, out: classCount)
    do {
      return try g.finish(output: output == .features ? features : logits)
    } catch {
      preconditionFailure("\(error)")
    }
  }

  // MARK: Parts

  /// Convolution (with its batch normalisation folded in) and ReLU.
  private static func unit(
    _ g: inout GraphBuilder, _ name: String, _ x: Value, _ out: Int, _ height: Int = 1, _ width: Int = 1,
    stride: Int = 1, padding: (rows: Int, columns: Int) = (0, 0)
  ) -> Value {
    g.scope(name) { g in
      let h = g.conv2d(
        "conv", x, out: out, kernel: (height, width), stride: stride,
        padding: .init(rows: padding.rows, columns: padding.columns))
      return g.activation("relu", h, .relu)
    }
  }

  /// `unit` whose result has its input's size.
  private static func same(
    _ g: inout GraphBuilder, _ name: String, _ x: Value, _ out: Int, _ height: Int, _ width: Int
  ) -> Value {
    unit(&g, name, x, out, height, width, padding: (height / 2, width / 2))
  }

  private static func join(_ g: inout GraphBuilder, _ values: Value...) -> Value {
    values.dropFirst().reduce(values[0]) { g.concatenate("join", $0, $1) }
  }

  private static let halving = Pooling(.maximum, size: 3, stride: 2, padding: 0)

  private static func pooled(_ g: inout GraphBuilder, _ x: Value, _ out: Int, _ kind: Pooling.Kind = .mean) -> Value {
    unit(&g, "branch_pool", g.pool("pool", x, Pooling(kind, size: 3, stride: 1, padding: 1)), out)
  }

  private static func stem(_ g: inout GraphBuilder) -> Value {
    var x = unit(&g, "Conv2d_1a_3x3", g.image(), 32, 3, 3, stride: 2)
    x = unit(&g, "Conv2d_2a_3x3", x, 32, 3, 3)
    x = same(&g, "Conv2d_2b_3x3", x, 64, 3, 3)
    x = g.pool("pool_1", x, halving)
    x = unit(&g, "Conv2d_3b_1x1", x, 80)
    x = unit(&g, "Conv2d_4a_3x3", x, 192, 3, 3)
    return g.pool("pool_2", x, halving)
  }

  private static func blockA(_ g: inout GraphBuilder, _ x: Value, pooled width: Int) -> Value {
    let a = unit(&g, "branch1x1", x, 64)
    var b = unit(&g, "branch5x5_1", x, 48)
    b = same(&g, "branch5x5_2", b, 64, 5, 5)
    var c = unit(&g, "branch3x3dbl_1", x, 64)
    c = same(&g, "branch3x3dbl_2", c, 96, 3, 3)
    c = same(&g, "branch3x3dbl_3", c, 96, 3, 3)
    return join(&g, a, b, c, pooled(&g, x, width))
  }

  private static func blockB(_ g: inout GraphBuilder, _ x: Value) -> Value {
    let a = unit(&g, "branch3x3", x, 384, 3, 3, stride: 2)
    var b = unit(&g, "branch3x3dbl_1", x, 64)
    b = same(&g, "branch3x3dbl_2", b, 96, 3, 3)
    b = unit(&g, "branch3x3dbl_3", b, 96, 3, 3, stride: 2)
    return join(&g, a, b, g.pool("pool", x, halving))
  }

  private static func blockC(_ g: inout GraphBuilder, _ x: Value, width: Int) -> Value {
    let a = unit(&g, "branch1x1", x, 192)
    var b = unit(&g, "branch7x7_1", x, width)
    b = same(&g, "branch7x7_2", b, width, 1, 7)
    b = same(&g, "branch7x7_3", b, 192, 7, 1)
    var c = unit(&g, "branch7x7dbl_1", x, width)
    c = same(&g, "branch7x7dbl_2", c, width, 7, 1)
    c = same(&g, "branch7x7dbl_3", c, width, 1, 7)
    c = same(&g, "branch7x7dbl_4", c, width, 7, 1)
    c = same(&g, "branch7x7dbl_5", c, 192, 1, 7)
    return join(&g, a, b, c, pooled(&g, x, 192))
  }

  private static func blockD(_ g: inout GraphBuilder, _ x: Value) -> Value {
    var a = unit(&g, "branch3x3_1", x, 192)
    a = unit(&g, "branch3x3_2", a, 320, 3, 3, stride: 2)
    var b = unit(&g, "branch7x7x3_1", x, 192)
    b = same(&g, "branch7x7x3_2", b, 192, 1, 7)
    b = same(&g, "branch7x7x3_3", b, 192, 7, 1)
    b = unit(&g, "branch7x7x3_4", b, 192, 3, 3, stride: 2)
    return join(&g, a, b, g.pool("pool", x, halving))
  }

  private static func blockE(_ g: inout GraphBuilder, _ x: Value, _ kind: Pooling.Kind) -> Value {
    let a = unit(&g, "branch1x1", x, 320)
    let b = unit(&g, "branch3x3_1", x, 384)
    let b1 = same(&g, "branch3x3_2a", b, 384, 1, 3)
    let b2 = same(&g, "branch3x3_2b", b, 384, 3, 1)
    var c = unit(&g, "branch3x3dbl_1", x, 448)
    c = same(&g, "branch3x3dbl_2", c, 384, 3, 3)
    let c1 = same(&g, "branch3x3dbl_3a", c, 384, 1, 3)
    let c2 = same(&g, "branch3x3dbl_3b", c, 384, 3, 1)
    return join(&g, a, b1, b2, c1, c2, pooled(&g, x, 192, kind))
  }

  // MARK: Weights

  private static let normalisationEpsilon = 1e-3
  private static let normalisation = ["weight", "bias", "running_mean", "running_var"]

  /// The file's weights with each batch normalisation folded into its convolution, in Double: w' = w g / sqrt(v + 1e-3),
  /// b' = b - m g / sqrt(v + 1e-3). What the network does not use (auxiliary logits, batch counters) is left out; what
  /// does not fit is left as it is, for loading to refuse by name.
  package static func foldedWeights(_ archive: TensorArchive) -> TensorArchive {
    let weightSuffix = ".conv.weight"
    var out = TensorArchive()
    var replaced: Set<String> = []
    for name in archive.names where name.hasSuffix(weightSuffix) {
      let unit = String(name.dropLast(weightSuffix.count))
      guard let stored = archive.tensors[name], let folded = fold(stored, unit, archive) else { continue }
      out.tensors[name] = StoredTensor(folded.weight)
      out.tensors[unit + ".conv.bias"] = StoredTensor(folded.bias)
      replaced.insert(name)
      replaced.formUnion(normalisation.map { "\(unit).bn.\($0)" })
    }
    for name in archive.names
    where !replaced.contains(name) && !name.hasPrefix("AuxLogits.") && !name.hasSuffix(".num_batches_tracked") {
      out.tensors[name] = archive.tensors[name]
    }
    return out
  }

  private static func fold(
    _ stored: StoredTensor, _ unit: String, _ archive: TensorArchive
  ) -> (weight: Tensor, bias: Tensor)? {
    let values = normalisation.compactMap { archive.tensors["\(unit).bn.\($0)"]?.floats()?.values.map(Double.init) }
    guard var weight = stored.floats(), let outputs = weight.dims.first, outputs > 0, values.count == 4,
      values.allSatisfy({ $0.count == outputs })
    else { return nil }
    let row = weight.count / outputs
    var bias = Tensor([outputs])
    for o in 0..<outputs {
      let scale = values[0][o] / (values[3][o] + normalisationEpsilon).squareRoot()
      bias.values[o] = Float(values[1][o] - values[2][o] * scale)
      for i in (o * row)..<((o + 1) * row) { weight.values[i] = Float(Double(weight.values[i]) * scale) }
    }
    return (weight, bias)
  }
}
