extension QuantizationMethod {
  /// Round to nearest: the baseline of every comparison. Weights go to the nearest code of a range chosen per output channel
  /// (or, to see its effect alone, as another rounding of the recipe says); every activation site has one range over all
  /// sampling steps.
  static let roundToNearest = QuantizationMethod(name: "rtn", source: "the baseline") { $0.tablesThatAreNotShared }
}
