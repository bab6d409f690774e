extension QuantizationMethod {
  /// PTQ4DM: a calibration set of normally distributed time steps (`calibration.distribution: ndtc`), ranges of least L2.4
  /// error, one quantiser per activation for all steps.
  ///
  /// As the released code: no rounding is learned; the activation ranges of successive batches are averaged.
  /// Differs: activations are quantised where a layer reads them, which integer execution needs; the released code quantises
  /// what a layer writes and multiplies floats.
  static let ptq4dm = QuantizationMethod(
    name: "ptq4dm", source: "Shang et al. 2023, \"Post-training quantization on diffusion models\""
  ) { $0.tablesThatAreNotShared }
}
