/// Parts of array names that training puts around a network's own: wrappers for several processors, compilation and the like.
enum WeightPrefixes {
  /// Stripped where every name starts with one.
  private static let wrappers = ["module", "_orig_mod", "_forward_module"]
  /// Attributes under which programs hold their network, stripped likewise.
  private static let holders = [
    "model", "diffusion_model", "unet", "denoise_fn", "net", "network", "ema_model", "online_model",
  ]
  /// Removed wherever they stand, since they wrap single layers too.
  private static let inner: Set<Substring> = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"]

  /// `name` without wrappers of single layers.
  static func withoutInner(_ name: String) -> String {
    guard name.utf8.contains(UInt8(ascii: "_")), inner.contains(where: name.contains) else { return name }
    return name.split(separator: ".", omittingEmptySubsequences: false).filter { !inner.contains($0) }
      .joined(separator: ".")
  }

  /// What all of `names` start with: any number of wrappers, `module.module.` for example.
  /// - Parameter includesHolders: whether the attributes that hold a network count as wrappers.
  static func shared(_ names: [String], includesHolders: Bool) -> String {
    guard let first = names.first else { return "" }
    let known = includesHolders ? wrappers + holders : wrappers
    var prefix = ""
    while let next = known.first(where: { first.hasPrefix(prefix + $0 + ".") }),
      names.allSatisfy({ $0.hasPrefix(prefix + next + ".") })
    {
      prefix += next + "."
    }
    return prefix
  }

  /// Whether a key or a part of a name says that what it holds is an exponential moving average: `ema`, `model_ema`,
  /// `ema_0.9999`, `state_dict_ema`.
  static func meansEMA(_ text: some StringProtocol) -> Bool {
    let word = Array("ema".utf8)
    var matched = 0
    var isInside = false
    // The word matches where no letter stands before or behind it.
    for byte in text.utf8 {
      let lower = byte | 0x20
      guard (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(lower) else {
        if isInside, matched == word.count { return true }
        (isInside, matched) = (false, 0)
        continue
      }
      if !isInside { (isInside, matched) = (true, 0) }
      matched = matched >= 0 && matched < word.count && lower == word[matched] ? matched + 1 : -1
    }
    return isInside && matched == word.count
  }
}
