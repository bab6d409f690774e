import Tensors

/// One value that determines a network or its process, and where it comes from.
package struct Hyperparameter: Sendable, Equatable {
  package enum Origin: Sendable, Equatable {
    /// Read off names and shapes of the weights.
    case inferred
    /// Said by a configuration file.
    case configured(file: String)
    /// Said by an option of the command.
    case given(option: String)
    /// Said nowhere; what the program that wrote the checkpoint takes then.
    case standard(of: String)

    /// The word for scripts.
    package var word: String {
      switch self {
      case .inferred: "inferred"
      case .configured: "configured"
      case .given: "given"
      case .standard: "default"
      }
    }

    /// The phrase for people.
    package var phrase: String {
      switch self {
      case .inferred: "inferred from the weights"
      case .configured(let file): "configured by \(printable(file))"
      case .given(let option): "given by \(option)"
      case .standard(let program): "default of \(program)"
      }
    }
  }

  /// The key in the vocabulary of the program that wrote the checkpoint.
  package let key: String
  package let value: ConfigurationValue
  package let origin: Origin
  /// What the configuration file says where an option says otherwise.
  package let overridden: ConfigurationValue?
}

/// A type that values of hyper-parameters have.
protocol HyperparameterValue: Equatable {
  var value: ConfigurationValue { get }
}

extension Int: HyperparameterValue { var value: ConfigurationValue { .integer(self) } }
extension Bool: HyperparameterValue { var value: ConfigurationValue { .bool(self) } }
extension String: HyperparameterValue { var value: ConfigurationValue { .string(self) } }
extension Double: HyperparameterValue {
  var value: ConfigurationValue { Int(exactly: self).map { .integer($0) } ?? .number(self) }
}
extension Array: HyperparameterValue where Element: HyperparameterValue {
  var value: ConfigurationValue { .list(map(\.value)) }
}
extension SampleSize: HyperparameterValue {
  var value: ConfigurationValue { height == width ? .integer(height) : .list([.integer(height), .integer(width)]) }
}

extension ConfigurationValue {
  /// The value as sentences about hyper-parameters show it: lists written out, texts bare.
  package var inWords: String {
    switch self {
    case .string(let text): printable(text, limit: 60)
    case .list(let items): items.isEmpty ? "none" : items.map(\.inWords).joined(separator: ",")
    case .null: "none"
    case .bool, .integer, .number, .map: shown
    }
  }
}

/// Settles hyper-parameters from what the weights tell, a configuration file says and options say. Collects every
/// contradiction and every value that nobody tells; nothing is guessed.
struct HyperparameterResolver {
  /// What messages call the configuration file; nil without one.
  let file: String?
  /// The program whose defaults hold for what its configuration leaves out.
  let program: String
  static let askForProcess =
    "give a configuration with --config FILE, or the noise schedule with --scheduler PATH or --beta-schedule CURVE"
  private(set) var settled: [Hyperparameter] = []
  private(set) var problems: [String] = []

  init(file: String?, program: String) {
    self.file = file
    self.program = program
  }

  mutating func report(_ problem: String) { problems.append(problem) }

  /// The value of `key`, or nil when something is wrong and has been reported.
  /// - Parameters:
  ///   - inferred: what the weights tell; what else is said must agree.
  ///   - given: what an option says; it goes before the configuration.
  ///   - standard: what the program takes where its configuration says nothing.
  ///   - ask: how to say the value.
  mutating func settle<V: HyperparameterValue>(
    _ key: String, inferred: V? = nil, configured: V? = nil, given: (option: String, value: V)? = nil,
    standard: V? = nil, ask: String = "give a configuration with --config FILE"
  ) -> V? {
    if let inferred {
      let statements = [given.map { ($0.option, $0.value) }, configured.map { (file ?? "the configuration", $0) }]
      for case .some((let who, let said)) in statements where said != inferred {
        report("\(key): \(printable(who)) says \(said.value.inWords), the weights have \(inferred.value.inWords)")
      }
      return note(key, inferred, .inferred)
    }
    if let given {
      let overridden = configured.flatMap { $0 == given.value ? nil : $0.value }
      return note(key, given.value, .given(option: given.option), overridden: overridden)
    }
    if let configured { return note(key, configured, .configured(file: file ?? "the configuration")) }
    if file != nil, let standard { return note(key, standard, .standard(of: program)) }
    report("\(key): the weights do not tell it; \(ask)")
    return nil
  }

  private mutating func note<V: HyperparameterValue>(
    _ key: String, _ value: V, _ origin: Hyperparameter.Origin, overridden: ConfigurationValue? = nil
  ) -> V {
    settled.append(Hyperparameter(key: key, value: value.value, origin: origin, overridden: overridden))
    return value
  }
}
