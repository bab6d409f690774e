import Graphs
import Tensors

/// Inception v3 (Szegedy et al. 2016) as the Fréchet inception distance uses it: TensorFlow's network of December 2015, named
/// as in pytorch-fid's and torch-fidelity's weight files. It differs from torchvision's in three things: averages leave the
/// padding out, the last block pools by maximum, and there are 1008 classes.
///
/// Batch normalisations are folded into the convolutions before them (`InceptionLayout`).
package enum InceptionV3 {
  package static let featureCount = 2048
  package static let classCount = 1008
  package static let imageShape = ImageShape(channels: 3, height: 299, width: 299)

  /// A place between two parts of the network, named after the part before it.
  package enum Place: Int, Sendable, CaseIterable, Comparable {
    case image
    /// 64x73x73 and 192x35x35.
    case firstPool, secondPool
    /// 768x17x17, both.
    case mixed6c, mixed6e
    /// 2048x8x8.
    case mixed7c

    package var shape: ImageShape {
      switch self {
      case .image: InceptionV3.imageShape
      case .firstPool: ImageShape(channels: 64, height: 73, width: 73)
      case .secondPool: ImageShape(channels: 192, height: 35, width: 35)
      case .mixed6c, .mixed6e: ImageShape(channels: 768, height: 17, width: 17)
      case .mixed7c: ImageShape(channels: InceptionV3.featureCount, height: 8, width: 8)
      }
    }

    package static func < (a: Place, b: Place) -> Bool { a.rawValue < b.rawValue }
  }

  /// The part of the network between two places. Cutting it changes no bit: every value is computed by the same node.
  /// - Parameter pooled: the mean over all positions in place of the map.
  package static func graph(from start: Place = .image, to end: Place, pooled: Bool) -> Graph {
    var g = GraphBuilder()
    var out = stretch(&g, from: start, to: end)
    if pooled { out = g.globalAveragePool("features", out) }
    return finish(&g, output: out)
  }

  /// The whole network, from images in [-1, 1] to one logit per class: declares every parameter of a weights file.
  package static let wholeGraph: Graph = {
    var g = GraphBuilder()
    let features = g.globalAveragePool("features", stretch(&g, from: .image, to: .mixed7c))
    let logits = g.linear("fc", features, out: classCount)
    return finish(&g, output: logits)
  }()

  /// The first channels of the 1x1 branch of Mixed_6d, after its ReLU, from Mixed_6c: TensorFlow's `mixed_6/conv`, 17x17
  /// positions, of which guided-diffusion's evaluator takes 7 channels.
  package static func spatialGraph() -> Graph {
    var g = GraphBuilder()
    let map = g.scope("Mixed_6d") { unit(&$0, "branch1x1", $0.sample(Place.mixed6c.shape), spatialChannels) }
    return finish(&g, output: map)
  }

  package static let spatialChannels = 7

  private static func finish(_ builder: inout GraphBuilder, output: Value) -> Graph {
    do {
      return try builder.finish(output: output)
    } catch {
      preconditionFailure("\(error)")
    }
  }

  private static func stretch(_ g: inout GraphBuilder, from start: Place, to end: Place) -> Value {
    Place.allCases.filter { $0 > start && $0 <= end }.reduce(g.sample(start.shape)) { x, place in
      part(endingAt: place, &g, x)
    }
  }

  private static func part(endingAt place: Place, _ g: inout GraphBuilder, _ x: Value) -> Value {
    switch place {
    case .image: return x
    case .firstPool:
      var h = unit(&g, "Conv2d_1a_3x3", x, 32, 3, 3, stride: 2)
      h = unit(&g, "Conv2d_2a_3x3", h, 32, 3, 3)
      h = same(&g, "Conv2d_2b_3x3", h, 64, 3, 3)
      return g.pool("pool_1", h, halving)
    case .secondPool:
      let h = unit(&g, "Conv2d_4a_3x3", unit(&g, "Conv2d_3b_1x1", x, 80), 192, 3, 3)
      return g.pool("pool_2", h, halving)
    case .mixed6c:
      var h = x
      for (name, pooled) in [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)] {
        h = g.scope(name) { blockA(&$0, h, pooled: pooled) }
      }
      h = g.scope("Mixed_6a") { blockB(&$0, h) }
      h = g.scope("Mixed_6b") { blockC(&$0, h, width: 128) }
      return g.scope("Mixed_6c") { blockC(&$0, h, width: 160) }
    case .mixed6e:
      let h = g.scope("Mixed_6d") { blockC(&$0, x, width: 160) }
      return g.scope("Mixed_6e") { blockC(&$0, h, width: 192) }
    case .mixed7c:
      var h = g.scope("Mixed_7a") { blockD(&$0, x) }
      h = g.scope("Mixed_7b") { blockE(&$0, h, .mean) }
      return g.scope("Mixed_7c") { blockE(&$0, h, .maximum) }
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
}
