import Diffusion
import Tensors

/// Everything that decides the samples of a calibration set, and how many there are. Stored with the set.
package struct CalibrationProvenance: Sendable, Equatable {
  package static let schemaName = "halftone.calibration-set"
  package static let schemaVersion = 1

  /// Identity of the float model that made the trajectories.
  package var modelDigest: String
  package var imageShape: ImageShape
  /// What the model is conditioned on.
  package var conditioning: ConditioningForm
  /// The sampler, every key resolved.
  package var sampler: ConfigurationValue
  /// Its steps in execution order.
  package var steps: [Step]
  package var calibration: Recipe.Calibration
  /// How its trajectories were guided; nil where they were not.
  package var guidance: GuidanceSetting?

  package init(
    modelDigest: String, imageShape: ImageShape, conditioning: ConditioningForm, sampler: ConfigurationValue,
    steps: [Step],
    calibration: Recipe.Calibration, guidance: GuidanceSetting? = nil
  ) {
    self.guidance = guidance
    self.modelDigest = modelDigest
    self.imageShape = imageShape
    self.conditioning = conditioning
    self.sampler = sampler
    self.steps = steps
    self.calibration = calibration
  }

  package func encode() -> ConfigurationValue {
    var entries: [ConfigurationValue.Entry] = [
      .init("schema", .string(Self.schemaName)), .init("schema_version", .integer(Self.schemaVersion)),
      .init("model_digest", .string(modelDigest)),
      .init("image_shape", .list(imageShape.dims.map { .integer($0) })),
      .init("class_count", conditioning.classes.map { .integer($0) } ?? nil),
    ]
    if let label = conditioning.unconditionalLabel { entries.append(.init("unconditional_class", .integer(label))) }
    entries += [
      .init("sampler", sampler), .init("steps", steps.encode()), .init("calibration", calibration.encode()),
    ]
    if let guidance { entries.append(.init("guidance", guidance.encode())) }
    return .map(entries)
  }

  package init(_ value: ConfigurationValue, file: String) throws {
    guard value["schema"] == .string(Self.schemaName) else { throw QuantizationError.notASet(file: file) }
    if case .integer(let version) = value["schema_version"], version != Self.schemaVersion {
      throw QuantizationError.schema(file: file, found: version, known: Self.schemaVersion)
    }
    let reader = ConfigurationReader(value, file: file)
    reader.ignore("schema")
    _ = reader.int("schema_version", in: Self.schemaVersion...Self.schemaVersion)
    modelDigest = reader.string("model_digest")
    let dims = reader.ints("image_shape", in: 1...65536)
    if dims.count != 3 {
      reader.report("image_shape", "expected channels, height and width, found \(dims.count) numbers")
    }
    imageShape =
      dims.count == 3
      ? ImageShape(channels: dims[0], height: dims[1], width: dims[2]) : ImageShape(channels: 1, height: 1, width: 1)
    let classes = reader.value("class_count") == .null ? nil : reader.int("class_count", in: 1...1_000_000)
    conditioning = ConditioningForm(
      classes: classes, unconditionalLabel: reader.unconditionalClass("unconditional_class", classes: classes))
    sampler = reader.value("sampler") ?? .null
    if sampler == .null { reader.report("sampler", "missing; expected the sampler's keys") }
    steps = reader.steps("steps")
    calibration = .init(reader.map("calibration") ?? ConfigurationReader([:], file: "\(file): calibration"))
    if reader.value("calibration") == nil { reader.report("calibration", "missing; expected a map") }
    guidance = reader.map("guidance").map(GuidanceSetting.init)
    if guidance != nil, conditioning.unconditionalLabel == nil {
      reader.report("guidance", "needs a class that stands for none, and unconditional_class names none")
    }
    try reader.finish()
  }
}

extension ConfigurationReader {
  /// The class that stands for none; nil where the key is absent or null.
  func unconditionalClass(_ key: String, classes: Int?) -> Int? {
    let found = value(key) ?? .null
    return found == .null ? nil : int(key, in: 0...max((classes ?? 1) - 1, 0))
  }
}

extension [Step] {
  /// Parallel lists: the timesteps, and the timestep each step leads to (null: the clean image); and, where the network is
  /// given other numbers than the timesteps, those.
  func encode() -> ConfigurationValue {
    func number(_ timestep: Timestep) -> ConfigurationValue {
      Int(exactly: timestep.value).map { .integer($0) } ?? .number(timestep.value)
    }
    var entries: [ConfigurationValue.Entry] = [
      .init("timesteps", .list(map { number($0.timestep) })),
      .init("previous", .list(map { $0.previous.map(number) ?? nil })),
    ]
    if contains(where: { $0.networkTimestep != $0.timestep }) {
      entries.append(.init("network_timesteps", .list(map { number($0.networkTimestep) })))
    }
    return .map(entries)
  }
}

extension ConfigurationReader {
  static let largestStepCount = 65536

  /// The steps that `[Step].encode` wrote.
  func steps(_ key: String) -> [Step] {
    guard let reader = map(key) else {
      report(key, "missing; expected timesteps and previous")
      return []
    }
    let timesteps = reader.doubles("timesteps")
    var previous: [Double?] = []
    if case .list(let items) = reader.value("previous") {
      for (position, item) in items.enumerated() {
        switch item {
        case .null: previous.append(nil)
        case .integer(let value): previous.append(Double(value))
        case .number(let value) where value.isFinite: previous.append(value)
        case .number, .bool, .string, .list, .map:
          reader.report("previous[\(position)]", "expected a finite number or null, found \(item.shown)")
          previous.append(nil)
        }
      }
    } else {
      reader.report("previous", "missing; expected a list")
    }
    let given = reader.doubles("network_timesteps", default: timesteps)
    if given.count != timesteps.count {
      reader.report("network_timesteps", "expected as many as timesteps, \(timesteps.count), found \(given.count)")
      return []
    }
    if timesteps.isEmpty || timesteps.count > Self.largestStepCount || timesteps.count != previous.count {
      reader.report(
        nil,
        "expected from 1 to \(Self.largestStepCount) timesteps and as many previous, found \(timesteps.count) and \(previous.count)"
      )
      return []
    }
    return zip(timesteps, previous).enumerated().map { index, pair in
      Step(
        index: index, timestep: Timestep(pair.0), previous: pair.1.map { Timestep($0) },
        networkTimestep: Timestep(given[index]))
    }
  }
}
