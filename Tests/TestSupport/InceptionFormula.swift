import Networks
import Tensors

/// Weights of the FID network that are a formula of names and indices, so that no test needs the large file
/// (Tests/Fixtures/inception/make_inception.py has the same).
package enum InceptionFormula {
  /// Weights as pytorch-fid's file has them, for a graph of folded ones.
  package static let weights: TensorArchive = {
    var out = TensorArchive()
    for parameter in InceptionV3.wholeGraph.parameters {
      guard parameter.name.hasSuffix(".conv.bias") else {
        out.tensors[parameter.name] = StoredTensor(tensor(parameter.name, parameter.dims))
        continue
      }
      let unit = parameter.name.dropLast(".conv.bias".count)
      for name in ["weight", "bias", "running_mean", "running_var"] {
        out.tensors["\(unit).bn.\(name)"] = StoredTensor(tensor("\(unit).bn.\(name)", parameter.dims))
      }
      out.tensors["\(unit).bn.num_batches_tracked"] = StoredTensor(dims: [], [0] as [Int64])
    }
    return out
  }()

  private static func tensor(_ name: String, _ dims: [Int]) -> Tensor {
    let seed = name.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    let count = dims.reduce(1, *)
    let isVariance = name.hasSuffix("bn.weight") || name.hasSuffix("running_var")
    let isShift = name.hasSuffix("bias") || name.hasSuffix("running_mean")
    let range = (6 / Double(dims.dropFirst().reduce(1, *))).squareRoot()
    return Tensor(
      dims,
      (0..<count).map { index in
        var z = seed &+ UInt64(index)
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        let u = Double((z ^ (z >> 31)) >> 40) * 0x1p-24
        return Float(isVariance ? 0.9 + 0.2 * u : isShift ? 0.1 * (2 * u - 1) : (2 * u - 1) * range)
      })
  }
}
