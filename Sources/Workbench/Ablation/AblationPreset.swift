import Tensors

/// An ablation of a paper: one recipe, and the changes that its rows make to it.
package struct AblationPreset: Sendable {
  package struct Row: Sendable {
    /// As the table calls it, and the name of its files.
    package let title: String
    package let name: String
    /// Dotted keys of the recipe and their values; nil takes the key away.
    package let changes: [(key: String, value: ConfigurationValue?)]

    package init(_ title: String, _ name: String, _ changes: [(key: String, value: ConfigurationValue?)]) {
      self.title = title
      self.name = name
      self.changes = changes
    }
  }

  package let name: String
  /// The recipe that the rows change.
  package let recipe: String
  package let rows: [Row]

  package static let all: [AblationPreset] = [tfmq, ptq4dm]

  /// Huang et al. 2024, table 4: temporal information aware reconstruction (TIAR) and finite set calibration (FSC, for the
  /// temporal block as in the paper, and for all activations as in the released code) by themselves and together; then
  /// temporal features kept, and chosen by their disturbance ("Temporal feature matters", the extension).
  ///
  /// Every row is recipe tfmq-w4a8 (the paper's: AdaRound block by block, input and output layer float) but for these parts.
  package static let tfmq = AblationPreset(
    name: "tfmq", recipe: "tfmq-w4a8",
    rows: [
      temporal("base", "base", isReconstructed: false, tables: "shared"),
      temporal("+TIAR", "tiar", isReconstructed: true, tables: "shared"),
      temporal("+FSC, temporal block", "fsc-block", isReconstructed: false, tables: "temporal_block"),
      temporal("+FSC, all activations", "fsc-all", isReconstructed: false, tables: "all"),
      temporal("TIAR+FSC, temporal block", "both-block", isReconstructed: true, tables: "temporal_block"),
      temporal("TIAR+FSC, all activations", "both-all", isReconstructed: true, tables: "all"),
      temporal("cache", "cache", isReconstructed: false, tables: "all", features: ["source": "kept", "bits": 8]),
      temporal(
        "TIAR+FSC or cache", "select", isReconstructed: true, tables: "all",
        features: ["source": "selected", "bits": 8, "disturbance": "relative_error"]),
    ])

  private static func temporal(
    _ title: String, _ name: String, isReconstructed: Bool, tables: ConfigurationValue,
    features: ConfigurationValue = "computed"
  ) -> Row {
    let base: Changes = [("activation_tables", tables), ("temporal_features", features)]
    return Row(title, name, base + (isReconstructed ? [] : [("reconstruction.temporal_block", "none")]))
  }

  /// Shang et al. 2023: what the samples are (table 2), at which steps they are taken (table 3), and what ranges minimise
  /// (table 4). About a thousand samples each.
  package static let ptq4dm = AblationPreset(
    name: "ptq4dm", recipe: "ptq4dm-w8a8",
    rows: [
      Row("noise", "noise", everyStep("noise")),
      Row("images", "images", everyStep("images")),
      Row("q(x_t)", "q-sample", everyStep("q_sample")),
      Row(
        "one t", "one-t",
        calibration([.init("distribution", "one_step"), .init("at", 0.5)], trajectories: 1024)),
      Row("uniform t", "uniform", everyStep("uniform")),
      Row("NDTC, L2.4", "ndtc", []),
      Row("NDTC, L1", "l1", range("l1_80")),
      Row("NDTC, cosine", "cosine", range("cosine_80")),
      Row("NDTC, KL", "kl", range("kl_50")),
    ])

  private typealias Changes = [(key: String, value: ConfigurationValue?)]

  private static func everyStep(_ distribution: ConfigurationValue) -> Changes {
    calibration([.init("distribution", distribution), .init("every", 1)], trajectories: 20)
  }

  private static func calibration(_ distribution: [ConfigurationValue.Entry], trajectories: Int) -> Changes {
    let rest: [ConfigurationValue.Entry] = [
      .init("trajectories", .integer(trajectories)), .init("seed", 0), .init("labels", "balanced"),
    ]
    return [("calibration", .map(distribution + rest))]
  }

  private static func range(_ estimator: ConfigurationValue) -> Changes {
    [("weights.range", estimator), ("activations.range", estimator)]
  }
}
