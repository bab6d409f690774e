import Tensors

/// Which of a pair of weights is used: the exponential moving average that training keeps, or the weights themselves.
package enum WeightChoice: String, Sendable, CaseIterable {
  case ema, raw
  var other: WeightChoice { self == .ema ? .raw : .ema }
}

/// The folder of a pipeline's network: `unet_ema` or `unet`, where training has left both, or the given folder itself.
package struct NetworkFolder: Sendable {
  package let path: String
  /// Which of the two it is; nil where there are not both.
  package let choice: WeightChoice?
  package let notes: [String]

  private static let configuration = "config.json"

  /// - Parameter weights: nil for the averaged weights where there are some.
  package init(_ path: String, weights: WeightChoice? = nil) throws {
    let inside = WeightChoice.allCases.filter { Self.isNetwork(Self.folder($0, in: path)) }
    guard let first = inside.first else {
      self = try Self.alone(path, weights)
      return
    }
    let taken = weights ?? first
    guard inside.contains(taken) else {
      throw FormatError.weights(path, taken == .ema ? .noEMA(beside: []) : .onlyEMA)
    }
    self.path = Self.folder(taken, in: path)
    choice = inside.count == 2 || taken == .ema ? taken : nil
    notes = inside.count == 2 ? [Self.note(taken, path)] : []
  }

  private init(path: String, choice: WeightChoice?, notes: [String]) {
    (self.path, self.choice, self.notes) = (path, choice, notes)
  }

  /// A network's own folder: which of the two it is shows in its name.
  private static func alone(_ path: String, _ weights: WeightChoice?) throws -> NetworkFolder {
    let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    let (above, name) = AtomicFile.split(trimmed)
    guard let choice = WeightChoice.allCases.first(where: { folder($0, in: above) == "\(above)/\(name)" }),
      isNetwork(folder(choice.other, in: above))
    else { return NetworkFolder(path: path, choice: nil, notes: []) }
    if let weights, weights != choice {
      throw FormatError.weights(path, weights == .ema ? .noEMA(beside: ["unet_ema"]) : .onlyEMA)
    }
    return NetworkFolder(
      path: path, choice: choice,
      notes: choice == .raw
        ? ["took the raw weights that were named; EMA weights stand in \(folder(.ema, in: above))"] : [])
  }

  private static func folder(_ choice: WeightChoice, in path: String) -> String {
    "\(path)/\(choice == .ema ? "unet_ema" : "unet")"
  }

  private static func isNetwork(_ path: String) -> Bool { Folder.kind(of: "\(path)/\(configuration)") == .file }

  private static func note(_ taken: WeightChoice, _ path: String) -> String {
    switch taken {
    case .ema: "took the EMA weights in \(folder(.ema, in: path)); the raw ones in unet are there for --weights raw"
    case .raw: "took the raw weights in \(folder(.raw, in: path)); EMA weights stand in unet_ema"
    }
  }
}
