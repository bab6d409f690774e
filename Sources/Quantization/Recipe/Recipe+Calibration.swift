import Tensors

extension Recipe {
  /// Which inputs of the network make the calibration set.
  package struct Calibration: Sendable, Equatable {
    package var distribution: Distribution
    package var trajectories: Int
    package var seed: Int
    package var labels: Labels

    package init(distribution: Distribution, trajectories: Int, seed: Int, labels: Labels) {
      self.distribution = distribution
      self.trajectories = trajectories
      self.seed = seed
      self.labels = labels
    }
  }

  /// At which steps which inputs become calibration samples. `every`: the steps whose index it divides, the first
  /// (noisiest) included; each gets a sample of every trajectory.
  package enum Distribution: Sendable, Equatable {
    /// The states of shared trajectories: one trajectory gives a state at each step (Q-Diffusion: Li et al. 2023).
    case uniform(every: Int)
    /// The same with trajectories of their own for each step (TFMQ-DM's released code): independent samples for half the
    /// number of steps times the work.
    case fresh(every: Int)
    /// Gaussian noise at every step (a candidate of Shang et al. 2023, table 2).
    case noise(every: Int)
    /// Finished images, told to be noisy (the same table). Differs: images that the model drew, for training images.
    case clean(every: Int)
    /// Draws of q(x_t | x_0), as in training (the same table). Differs: as `clean`.
    case forward(every: Int)
    /// The states of one step, given as a fraction of the step count from the clean end (table 3 of that paper).
    case single(at: Double)
    /// Normally distributed time steps (PTQ4DM: Shang et al. 2023, section 3.3): every trajectory gives one state.
    /// Mean and standard deviation are fractions of the step count, counted from the clean end.
    case ndtc(mean: Double, std: Double, pairing: Pairing)
    /// Steps by density and diversity of their features (EDA-DM: Liu et al. 2024): every trajectory gives one state.
    case tdac(radius: Double, diversity: Double)

    package var kind: Kind {
      switch self {
      case .uniform: .uniform
      case .fresh: .fresh
      case .noise: .noise
      case .clean: .clean
      case .forward: .forward
      case .single: .single
      case .ndtc: .ndtc
      case .tdac: .tdac
      }
    }

    /// Where every k-th step gets samples, k; nil where steps are chosen otherwise.
    package var every: Int? {
      switch self {
      case .uniform(let every), .fresh(let every), .noise(let every), .clean(let every), .forward(let every): every
      case .single, .ndtc, .tdac: nil
      }
    }

    /// Raw values are the recipes' names.
    package enum Kind: String, Sendable, CaseIterable {
      case uniform, fresh, noise
      case clean = "images"
      case forward = "q_sample"
      case single = "one_step"
      case ndtc, tdac

      /// The keys that say more about it.
      var keys: [String] {
        switch self {
        case .uniform, .fresh, .noise, .clean, .forward: ["every"]
        case .single: ["at"]
        case .ndtc: ["mean", "std", "pairing"]
        case .tdac: ["radius", "diversity"]
        }
      }
    }
  }

  /// Which state goes with a drawn step.
  package enum Pairing: String, Sendable, CaseIterable {
    /// The state that enters the step.
    case paper
    /// As released: the result of the step at the mirrored position (the code counts from the noisy end what the
    /// network is told from the clean end).
    case code
  }

  package enum Labels: Sendable, Equatable {
    /// Trajectory i is of class i modulo the class count; nothing for unconditional models.
    case balanced
    /// Trajectory i is of class `list[i modulo count]`.
    case cycled([Int])
  }
}

extension Recipe.Calibration {
  /// What a reader that has recorded a problem goes on with.
  static let standIn = Self(distribution: .uniform(every: 1), trajectories: 1, seed: 0, labels: .balanced)

  init(_ reader: ConfigurationReader) {
    distribution = Recipe.Distribution(reader)
    trajectories = reader.int("trajectories", in: 1...Recipe.largestTrajectoryCount)
    seed = reader.int("seed", in: 0...Int.max)
    if reader.value("labels") == .string("balanced") {
      labels = .balanced
    } else if case .list? = reader.value("labels") {
      let list = reader.ints("labels", in: 0...1_000_000)
      if list.isEmpty { reader.report("labels", "expected balanced or a list of classes, found an empty list") }
      labels = .cycled(list)
    } else {
      let found = reader.value("labels").map { "found \($0.shown)" } ?? "missing"
      reader.report("labels", "expected balanced or a list of classes, \(found)")
      labels = .balanced
    }
  }

  package func encode() -> ConfigurationValue {
    var entries = distribution.encode()
    entries += [.init("trajectories", .integer(trajectories)), .init("seed", .integer(seed))]
    switch labels {
    case .balanced: entries.append(.init("labels", "balanced"))
    case .cycled(let classes): entries.append(.init("labels", .list(classes.map { .integer($0) })))
    }
    return .map(entries)
  }
}

extension Recipe.Distribution {
  fileprivate init(_ reader: ConfigurationReader) {
    let kind: Kind = reader.choice("distribution")
    // Keys that mean something only under another choice.
    let foreign = Set(Kind.allCases.flatMap(\.keys)).subtracting(kind.keys)
    for key in foreign.sorted() where reader.value(key) != nil {
      let owners = Kind.allCases.filter { $0.keys.contains(key) }.map(\.rawValue)
      reader.report(
        key, "belongs to distribution \(owners.joined(separator: ", ")), and this recipe says \(kind.rawValue)")
    }
    func every() -> Int { reader.int("every", in: 1...65536) }
    switch kind {
    case .uniform: self = .uniform(every: every())
    case .fresh: self = .fresh(every: every())
    case .noise: self = .noise(every: every())
    case .clean: self = .clean(every: every())
    case .forward: self = .forward(every: every())
    case .single: self = .single(at: reader.double("at", in: 0...1))
    case .ndtc:
      self = .ndtc(
        mean: reader.double("mean", in: 0...1), std: reader.double("std", in: 0...10), pairing: reader.choice("pairing")
      )
    case .tdac:
      self = .tdac(radius: reader.double("radius", in: 0...1e6), diversity: reader.double("diversity", in: 0...1e3))
    }
  }

  fileprivate func encode() -> [ConfigurationValue.Entry] {
    let own: [ConfigurationValue.Entry] =
      switch self {
      case .uniform(let every), .fresh(let every), .noise(let every), .clean(let every), .forward(let every):
        [.init("every", .integer(every))]
      case .single(let position): [.init("at", .number(position))]
      case .ndtc(let mean, let std, let pairing):
        [.init("mean", .number(mean)), .init("std", .number(std)), .init("pairing", .string(pairing.rawValue))]
      case .tdac(let radius, let diversity):
        [.init("radius", .number(radius)), .init("diversity", .number(diversity))]
      }
    return [.init("distribution", .string(kind.rawValue))] + own
  }
}
