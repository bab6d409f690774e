import Diffusion
import Graphs
import Tensors

extension QuantizedModel {
  /// Reads what `encode` wrote, strictly: the header complete and known, exactly the arrays it announces in the shapes it
  /// announces, and only values that a quantiser can hold. All problems of a kind are reported together.
  /// - Parameter file: what messages name.
  package init(tensors: [String: StoredTensor], header: ConfigurationValue, file: String) throws(QuantizationError) {
    let header = try Header(header, file: file)
    var readers: [ArrayReader] = []
    var components: [String: Component] = [:]
    var own = tensors
    for (name, part) in header.components.sorted(by: { $0.key < $1.key }) {
      let prefix = ArrayName.component(name)
      let members = own.filter { $0.key.hasPrefix(prefix) }
      for member in members.keys { own[member] = nil }
      var arrays = ArrayReader(members, file: file, prefix: prefix)
      let table = arrays.table(part.weights, part.activations) { _ in (1, .shared) }
      components[name] = Component(
        network: part.network, sampleShape: part.sampleShape ?? Header.unknownShape, table: table,
        parameters: arrays.remainingStored(), origin: part.origin)
      readers.append(arrays)
    }
    var arrays = ArrayReader(own, file: file)
    table = arrays.table(header.weights, header.activations) { (header.rowCount($0), header.key($0)) }
    var features: [String: KeptFeature] = [:]
    for entry in header.features {
      features[entry.node] = arrays.feature(entry, rowCount: header.rowCount(entry.kind), key: header.key(entry.kind))
    }
    correction =
      header.hasCorrection
      ? arrays.correction(steps: header.steps.count, channels: header.correctedChannels) : nil
    var selfTest: SelfTest?
    if let test = header.selfTest {
      selfTest = SelfTest(
        x: arrays.floats(ArrayName.selfTestX), stepIndex: test.stepIndex,
        conditioning: (test.labels ?? []).map { Conditioning(label: $0) },
        expected: arrays.floats(ArrayName.selfTestExpected))
    }
    conditioner = header.conditioner.flatMap { entry in
      arrays.floats(ArrayName.conditionerTable, dims: [entry.classes, entry.width])
        .map { ClassEmbedder($0, unconditional: entry.unconditional) }
    }
    parameters = arrays.remainingFloats()
    try ArrayReader.finish([arrays] + readers, file: file)
    self.components = components
    network = header.network
    sampleShape = header.sampleShape
    process = header.process
    recipe = header.recipe
    latentScale = header.latentScale
    sampler = header.sampler
    steps = header.steps
    lineage = header.lineage
    table.features = features
    self.selfTest = selfTest
  }

  /// The header, decoded and checked by itself.
  struct Header {
    struct Weight {
      let node: String
      let dims: [Int]
      let bits: Int
      let granularity: Granularity
      let hasInputScales: Bool
    }
    struct Activation {
      let site: Site
      let kind: TableKind
      let bits: Int
      let granularity: Granularity
      let columns: Int
      let areNumerators: Bool
    }
    struct Feature {
      let node: String
      let kind: TableKind
      let width: Int
      let bits: Int
    }
    /// A component other than the denoiser.
    struct Part {
      let network: ConfigurationValue
      let sampleShape: ImageShape?
      let weights: [Weight]
      let activations: [Activation]
      let origin: Component.Origin?
    }

    let network: ConfigurationValue
    let sampleShape: ImageShape?
    let process: ConfigurationValue
    let recipe: Recipe
    let sampler: ConfigurationValue
    let steps: [Step]
    let weights: [Weight]
    let activations: [Activation]
    let features: [Feature]
    let tableClasses: Int?
    let hasCorrection: Bool
    let latentScale: Double?
    let conditioner: (classes: Int, width: Int, unconditional: Int?)?
    /// Channels of an image.
    let correctedChannels: Int
    let components: [String: Part]
    let lineage: Lineage
    let selfTest: (stepIndex: Int, labels: [Int]?)?

    /// Bounds of what a header may announce, far above any model of ours.
    static let largestDim = 1 << 24
    static let largestCount = 1 << 31
    /// Stands for a shape that could not be read, until the problem is thrown.
    static let unknownShape = ImageShape(channels: 1, height: 1, width: 1)

    init(_ value: ConfigurationValue, file: String) throws(QuantizationError) {
      guard value["schema"] == .string(schemaName) else { throw .notAnArtefact(file: file) }
      if case .integer(let version) = value["schema_version"], !readVersions.contains(version) {
        throw .schema(file: file, found: version, known: schemaVersion)
      }
      let reader = ConfigurationReader(value, file: file)
      reader.ignore("schema")
      _ = reader.int("schema_version", in: readVersions)
      let isFirst = value["schema_version"] == 1
      let pipeline = isFirst ? nil : reader.section("components")
      let denoiser = pipeline?.section("denoiser") ?? reader
      var components: [String: Part] = [:]
      for name in pipeline?.keys ?? [] where Component.names.contains(name) {
        components[name] = pipeline?.map(name).map(Part.init)
      }
      self.components = components
      conditioner = pipeline?.map("conditioner").map { section in
        if section.string("_class_name") != ClassEmbedder.className {
          section.report("_class_name", "expected \"\(ClassEmbedder.className)\"")
        }
        let classes = section.int("classes", in: 1...1_000_000)
        return (
          classes, section.int("width", in: 1...Self.largestDim),
          section.unconditionalClass("unconditional_class", classes: classes)
        )
      }
      network = denoiser.required("network")
      sampleShape = isFirst ? nil : denoiser.imageShape("sample_shape")
      process = reader.required("process")
      sampler = reader.required("sampler")
      let scale = reader.value("latent_scale") ?? .null
      latentScale = scale == .null ? nil : reader.double("latent_scale", in: 1e-6...1e6)
      recipe = Recipe(reader.section("recipe"))
      steps = reader.steps("steps")
      weights = denoiser.maps("weights").map(Weight.init)
      activations = denoiser.maps("activations").compactMap(Activation.init)
      features = denoiser.maps("features").map(Feature.init)
      tableClasses = denoiser.value("table_classes") == .null ? nil : denoiser.int("table_classes", in: 1...1_000_000)
      hasCorrection = denoiser.bool("correction")
      // Version 1 was written for networks with this key only.
      if let sampleShape {
        correctedChannels = sampleShape.channels
      } else if case .integer(let channels)? = network["in_channels"], (1...65536).contains(channels) {
        correctedChannels = channels
      } else {
        correctedChannels = 1
      }
      lineage = Lineage(reader.section("lineage"), file: file)
      selfTest = reader.map("self_test").map { test in
        let labels = test.value("labels") ?? .null
        return (
          test.int("step", in: 0...ConfigurationReader.largestStepCount),
          labels == .null ? nil : test.ints("labels", in: 0...1_000_000)
        )
      }
      for key in ["weights", "activations", "features"] where denoiser.value(key) == nil {
        denoiser.report(key, "missing; expected a list of maps")
      }
      if reader.value("self_test") == nil { reader.report("self_test", "missing; expected a map or null") }
      if let selfTest, selfTest.stepIndex >= steps.count {
        reader.report("self_test", "names sampling step \(selfTest.stepIndex) of \(steps.count)")
      }
      if (activations.map(\.kind) + features.map(\.kind)).contains(.stepAndLabel) != (tableClasses != nil) {
        denoiser.report("table_classes", "expected a class count exactly where a table is step_label")
      }
      Self.reportRepetitions(weights.map(\.node), "weights", denoiser)
      Self.reportRepetitions(activations.map(\.site.description), "activations", denoiser)
      Self.reportRepetitions(features.map(\.node), "features", denoiser)
      do { try reader.finish() } catch { throw .header(error) }
    }

    fileprivate static func reportRepetitions(_ names: [String], _ key: String, _ reader: ConfigurationReader) {
      var seen = Set<String>()
      for name in names where !seen.insert(name).inserted {
        reader.report(key, "\(printable(name)) stands there twice")
      }
    }

    func rowCount(_ kind: TableKind) -> Int {
      switch kind {
      case .shared: 1
      case .step: steps.count
      case .stepAndLabel: steps.count * (tableClasses ?? 1)
      case .branch: GuidanceBranch.allCases.count
      case .stepAndBranch: steps.count * GuidanceBranch.allCases.count
      }
    }

    func key(_ kind: TableKind) -> ActivationQuantizers.Key {
      switch kind {
      case .shared: .shared
      case .step: .step
      case .stepAndLabel: .stepAndLabel(classCount: tableClasses ?? 1)
      case .branch: .branch
      case .stepAndBranch: .stepAndBranch
      }
    }
  }
}

extension QuantizedModel.Header.Part {
  fileprivate init(_ reader: ConfigurationReader) {
    network = reader.required("network")
    sampleShape = reader.imageShape("sample_shape")
    weights = reader.maps("weights").map(QuantizedModel.Header.Weight.init)
    activations = reader.maps("activations").compactMap(QuantizedModel.Header.Activation.init)
    origin = reader.map("recipe").map {
      QuantizedModel.Component.Origin(networkDigest: reader.string("source_digest"), recipe: Recipe($0))
    }
    if sampleShape == nil, reader.isSound("sample_shape") {
      reader.report("sample_shape", "expected channels, height and width, found null")
    }
    for activation in activations where activation.kind != .shared {
      reader.report("activations", "\(activation.site): only the denoiser's tables depend on the sampling step")
    }
    QuantizedModel.Header.reportRepetitions(weights.map(\.node), "weights", reader)
    QuantizedModel.Header.reportRepetitions(activations.map(\.site.description), "activations", reader)
  }
}

extension QuantizedModel.Header.Weight {
  fileprivate init(_ reader: ConfigurationReader) {
    node = reader.string("node")
    bits = reader.int("bits", in: 2...8)
    granularity = Granularity(reader)
    hasInputScales = reader.bool("input_scales")
    let dims = reader.ints("dims", in: 1...QuantizedModel.Header.largestDim)
    let count = dims.reduce(Int?.some(1)) { product, dim in
      product.flatMap { $0 <= QuantizedModel.Header.largestCount / dim ? $0 * dim : nil }
    }
    let fits = (2...4).contains(dims.count) && count != nil
    if !fits, reader.isSound("dims") {
      reader.report(
        "dims", "expected 2 to 4 dims of at most \(QuantizedModel.Header.largestCount) values, found \(dims)")
    }
    self.dims = fits ? dims : [1, 1]
    if fits, let last = granularity.boundaries.last, last >= dims.dropFirst().reduce(1, *) {
      reader.report("granularity", "the boundary \(last) lies beyond a row of \(dims.dropFirst().reduce(1, *))")
    }
  }

  /// How many scales and zero points there are.
  var granules: Int {
    switch granularity {
    case .perTensor: 1
    case .perChannel: dims[0]
    case .split(let boundaries): boundaries.count + 1
    case .rowSplit(let boundaries): dims[0] * (boundaries.count + 1)
    }
  }
}

extension QuantizedModel.Header.Feature {
  fileprivate init(_ reader: ConfigurationReader) {
    node = reader.string("node")
    kind = reader.choice("table")
    width = reader.int("width", in: 1...65536)
    bits = reader.int("bits", in: 2...32)
    if bits > 8, bits != 32 { reader.report("bits", "expected 2 to 8, or 32 for float, found \(bits)") }
    if kind != .step && kind != .stepAndLabel {
      reader.report("table", "features are kept for every step; expected step or step_label")
    }
  }
}

extension QuantizedModel.Header.Activation {
  fileprivate init?(_ reader: ConfigurationReader) {
    let text = reader.string("site")
    kind = reader.choice("table")
    bits = reader.int("bits", in: 2...8)
    granularity = Granularity(reader)
    columns = reader.int("columns", in: 1...65536)
    areNumerators = reader.value("numerators") == nil ? false : reader.bool("numerators")
    let site = Site(text)
    if site == nil || site?.role == .weight {
      reader.report("site", "expected an activation's site such as conv1:input, found \"\(printable(text))\"")
    }
    switch granularity {
    case .perTensor where columns != 1: reader.report("columns", "expected 1 for per_tensor, found \(columns)")
    case .split(let boundaries) where columns != boundaries.count + 1:
      reader.report("columns", "expected \(boundaries.count + 1) for the split, found \(columns)")
    case .rowSplit: reader.report("granularity", "row_split is for weights")
    case .perTensor, .perChannel, .split: break
    }
    guard let site, site.role != .weight else { return nil }
    self.site = site
  }
}

extension Granularity {
  fileprivate init(_ reader: ConfigurationReader) {
    switch reader.value("granularity") {
    case .string("per_tensor"): self = .perTensor
    case .string("per_channel"): self = .perChannel
    case .map:
      let map = reader.map("granularity")
      let isRow = map?.value("row_split") != nil
      let boundaries = map?.ints(isRow ? "row_split" : "split", in: 1...QuantizedModel.Header.largestDim) ?? []
      if boundaries.isEmpty || zip(boundaries, boundaries.dropFirst()).contains(where: { $0 >= $1 }) {
        reader.report("granularity", "expected ascending boundaries")
      }
      self = isRow ? .rowSplit(boundaries: boundaries) : .split(boundaries: boundaries)
    case let other:
      reader.report("granularity", "expected per_tensor, per_channel or a split, found \(other?.shown ?? "nothing")")
      self = .perTensor
    }
  }
}

extension QuantizedModel.Lineage {
  fileprivate init(_ reader: ConfigurationReader, file: String) {
    sourceDigest = reader.string("source_digest")
    sourceName = reader.string("source_name")
    program = reader.string("program")
    calibrationDigest = reader.value("calibration_digest") == .null ? nil : reader.string("calibration_digest")
    calibration = nil
    if let stored = reader.value("calibration"), stored != .null {
      do {
        calibration = try CalibrationProvenance(stored, file: file)
      } catch {
        reader.report("calibration", "\(error)")
      }
    }
  }
}

extension ConfigurationReader {
  /// Channels, height and width; null where the configuration says them.
  fileprivate func imageShape(_ key: String) -> ImageShape? {
    if value(key) == .null { return nil }
    let dims = ints(key, in: 1...65536)
    if dims.count == 3 { return ImageShape(channels: dims[0], height: dims[1], width: dims[2]) }
    if isSound(key) { report(key, "expected channels, height and width, found \(dims.count) numbers") }
    return nil
  }

  /// A map that must be there, kept as it is for whoever knows its keys.
  fileprivate func required(_ key: String) -> ConfigurationValue {
    let found = value(key)
    if case .map? = found { return found! }
    report(key, "expected a map, found \(found?.shown ?? "nothing")")
    return [:]
  }

  /// A reader of a map that must be there.
  fileprivate func section(_ key: String) -> ConfigurationReader {
    if let reader = map(key) { return reader }
    report(key, "missing; expected a map")
    return ConfigurationReader([:], file: path)
  }
}
