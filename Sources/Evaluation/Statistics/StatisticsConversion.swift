import Tensors

/// Layouts of statistics files: ours, pytorch-fid's and that of guided-diffusion's evaluator.
package enum StatisticsFormat: String, Sendable, CaseIterable {
  /// Mean, covariance and the exact sums they follow from.
  case halftone
  /// `mu` and `sigma`.
  case pytorchFID = "pytorch-fid"
  /// `mu`, `sigma`, and `mu_s`, `sigma_s` of spatial features.
  case adm
}

extension StatisticsFormat {
  /// A statistics file's entries in this layout. Doubles keep their bits; Floats, which guided-diffusion's means may be,
  /// become the Doubles that are equal to them.
  /// - Parameters: archive: entries of a file in any of the layouts; file: how messages call it.
  /// - Returns: the entries, and what a user should know about them.
  /// - Throws: `EvaluationError` for files that are no statistics, and when our own layout is asked of another
  ///   program's file: exact sums cannot be recovered from a mean and a covariance.
  package func convert(
    _ archive: TensorArchive, file: String
  ) throws(EvaluationError) -> (archive: TensorArchive, warnings: [String]) {
    let statistics = try FeatureStatistics(archive: archive, file: file)
    switch self {
    case .halftone:
      guard let exact = statistics.exact else { throw .notExact(file: file, purpose: "the format halftone") }
      return (try exact.archive(), [])
    case .pytorchFID:
      return (Self.moments(of: archive, [StatisticsEntry.mean, StatisticsEntry.covariance]), [])
    case .adm:
      let main = [StatisticsEntry.mean, StatisticsEntry.covariance]
      guard try FeatureStatistics.spatial(archive: archive, file: file) != nil else {
        return (
          Self.moments(of: archive, main),
          [
            "\(file): no mu_s and sigma_s, which guided-diffusion's evaluator reads for sFID; --spatial names a file with them"
          ]
        )
      }
      let spatial = [StatisticsEntry.spatialMean, StatisticsEntry.spatialCovariance]
      return (Self.moments(of: archive, main + spatial), [])
    }
  }

  /// The entries of two files as those of one that has both pairs.
  /// - Throws: `EvaluationError` for files that are no statistics, and for ones of different networks, ways of preparing
  ///   pixels or numbers of images, where both files say.
  package func joining(
    _ archive: TensorArchive, file: String, spatial: TensorArchive, file spatialFile: String
  ) throws(EvaluationError) -> TensorArchive {
    let main = try FeatureStatistics(archive: archive, file: file)
    let other = try FeatureStatistics(archive: spatial, file: spatialFile)
    if let a = main.extractor, let b = other.extractor, a.mode != b.mode || a.digest != b.digest {
      throw .extractorsDiffer(a, b)
    }
    if let a = main.exact, let b = other.exact, a.images != b.images {
      throw .imagesDiffer(first: file, a.images.ranges, second: spatialFile, b.images.ranges)
    }
    if let a = main.count, let b = other.count, a != b {
      throw .countsDiffer(first: file, a, second: spatialFile, b)
    }
    var out = archive
    out.tensors[StatisticsEntry.spatialMean] = spatial.tensors[StatisticsEntry.mean]
    out.tensors[StatisticsEntry.spatialCovariance] = spatial.tensors[StatisticsEntry.covariance]
    return out
  }

  private static func moments(of archive: TensorArchive, _ names: [String]) -> TensorArchive {
    var out = TensorArchive()
    for name in names {
      guard let stored = archive.tensors[name] else { continue }
      out.tensors[name] = stored.type == .f64 ? stored : StoredTensor(dims: stored.dims, stored.doubles())
    }
    return out
  }
}

extension FeatureStatistics {
  /// Statistics of spatial features in guided-diffusion's files, `mu_s` and `sigma_s`, under the rules that hold for the main
  /// pair; nil for files without. - Throws: `EvaluationError` when they are damaged.
  package static func spatial(archive: TensorArchive, file: String) throws(EvaluationError) -> FeatureStatistics? {
    var pair = TensorArchive()
    pair.tensors[StatisticsEntry.mean] = archive.tensors[StatisticsEntry.spatialMean]
    pair.tensors[StatisticsEntry.covariance] = archive.tensors[StatisticsEntry.spatialCovariance]
    return pair.tensors.isEmpty ? nil : try FeatureStatistics(archive: pair, file: "\(file), spatial features")
  }
}
