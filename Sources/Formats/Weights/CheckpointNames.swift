import Tensors

/// The arrays of a container sorted by what they are for: a network's weights, their moving averages, and named groups of the
/// rest. Only names count here.
///
/// Files are written by many programs, and none says what it is. What is known of them: Lightning puts everything under
/// `state_dict`, latent diffusion the network under `model.diffusion_model.` with its other networks beside it; DDIM saves a list of model,
/// optimiser, epoch, step and averages; others use a map with keys like `model` and `ema`; many save the names and arrays
/// alone.
struct CheckpointNames {
  /// The container's name of each array by its clean one.
  private(set) var network: [String: String] = [:]
  /// What of `network` was called before its prefix was stripped, for averages whose names are made from that.
  private(set) var relative: [String: String] = [:]
  private(set) var averages: [String: String] = [:]
  /// By group, then by name within it.
  private(set) var groups: [String: [String: String]] = [:]
  /// Whether the container holds averages alone, which `network` then are.
  private(set) var isAveraged = false
  /// What was stripped from the names of `network`.
  private(set) var prefix = ""
  /// Whether wrappers of single layers were removed within them.
  private(set) var hadInner = false

  private struct Item {
    var path: ArraySlice<String>
    let name: String
    let full: String
    var relative: String { (path + [name]).joined(separator: ".") }
  }

  private static let networkPrefix = "model.diffusion_model."
  /// Keys under which programs save a network, the surest first; "0" is the first of a list.
  private static let holders = [
    "state_dict", "model_state_dict", "model", "module", "unet", "net", "network", "params", "weights", "0", "shadow",
    "shadow_params", "ema_model",
  ]
  private static let training: Set<String> = [
    "optimizer", "optimizers", "optimizer_states", "optimizer_state_dict", "optim", "opt", "lr_schedulers",
    "lr_scheduler", "scheduler", "callbacks", "loops", "scaler", "grad_scaler", "amp",
  ]
  /// Arrays that follow from the noise schedule, and scalars beside them.
  private static let buffers: Set<String> = [
    "betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod", "posterior_variance",
    "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2", "lvlb_weights", "logvar",
    "scale_factor", "p2_loss_weight", "loss_weight",
  ]

  init(_ tables: [WeightTable]) throws(WeightsProblem) {
    var raw: [Item] = []
    var averaged: [Item] = []
    let isList = tables.contains { $0.path.first == "0" }
    for table in tables {
      let items = table.names.map { name in
        Item(path: table.path[...], name: name, full: (table.path + [name]).joined(separator: "."))
      }
      if let group = Self.trainingGroup(table.path) {
        for item in items { groups[group, default: [:]][item.relative] = item.full }
      } else if let place = table.path.firstIndex(where: WeightPrefixes.meansEMA)
        ?? (isList && table.path.first == "4" ? 0 : nil)
      {
        averaged += items.map { Item(path: $0.path.dropFirst(place + 1), name: $0.name, full: $0.full) }
      } else {
        raw += items
      }
    }
    try sortNetwork(descend(raw).map { ($0.relative, $0.full) })
    for item in descend(averaged) { averages[item.relative] = item.full }
    stripAverages()
    if network.isEmpty, !averages.isEmpty {
      (network, averages, isAveraged) = (averages, [:], true)
    }
  }

  /// Names of averages may have other wrappers than the network's. Those without any dot are made of names, see `Checkpoint`.
  private mutating func stripAverages() {
    let wrapped = WeightPrefixes.shared(averages.keys.filter { $0.contains(".") }, includesHolders: true)
    averages = Dictionary(
      averages.map { name, full in
        (WeightPrefixes.withoutInner(name.hasPrefix(wrapped) ? String(name.dropFirst(wrapped.count)) : name), full)
      }, uniquingKeysWith: { first, _ in first })
  }

  /// The optimiser's state and the like: by key, or by the numbers that optimisers give parameters.
  private static func trainingGroup(_ path: [String]) -> String? {
    if let key = path.first(where: training.contains) { return key }
    if let state = path.firstIndex(of: "state"), path.count > state + 1, Int(path[state + 1]) != nil {
      return "optimizer"
    }
    return nil
  }

  /// Those items that stand under the surest of the keys that hold a network, without it; the others become groups.
  private mutating func descend(_ items: [Item]) -> [Item] {
    var items = items
    while let key = Self.holders.first(where: { key in items.contains { $0.path.first == key } }) {
      for item in items where item.path.first != key {
        groups[item.path.first ?? "other", default: [:]][item.relative] = item.full
      }
      items = items.filter { $0.path.first == key }
      for i in items.indices { items[i].path.removeFirst() }
    }
    return items
  }

  private mutating func sortNetwork(_ named: [(name: String, full: String)]) throws(WeightsProblem) {
    var rest: [(name: String, full: String)] = []
    for item in named {
      if Self.buffers.contains(item.name) {
        groups["buffers", default: [:]][item.name] = item.full
      } else {
        rest.append(item)
      }
    }
    let outer = WeightPrefixes.shared(rest.map(\.name), includesHolders: false)
    let isLatent = rest.contains { $0.name.dropFirst(outer.count).hasPrefix(Self.networkPrefix) }
    var own: [(name: String, full: String)] = []
    for (name, full) in rest {
      let name = String(name.dropFirst(outer.count))
      let first = String(name[..<(name.utf8.firstIndex(of: UInt8(ascii: ".")) ?? name.endIndex)])
      if WeightPrefixes.meansEMA(first), name != first {
        averages[String(name.dropFirst(first.count + 1))] = full
      } else if isLatent, !name.hasPrefix(Self.networkPrefix) {
        groups[first == name ? "buffers" : first, default: [:]][
          first == name ? name : String(name.dropFirst(first.count + 1))] = full
      } else if first == "loss", name != first {
        groups["loss", default: [:]][String(name.dropFirst(5))] = full
      } else {
        own.append((name, full))
      }
    }
    let inner = WeightPrefixes.shared(own.map(\.name), includesHolders: true)
    prefix = outer + inner
    try collect(own, dropping: inner.count)
  }

  private mutating func collect(_ own: [(name: String, full: String)], dropping count: Int) throws(WeightsProblem) {
    var doubles: [String] = []
    for (name, full) in own {
      let inner = String(name.dropFirst(count))
      let clean = WeightPrefixes.withoutInner(inner)
      if clean != inner { hadInner = true }
      if network.updateValue(full, forKey: clean) != nil { doubles.append(clean) }
      relative[clean] = name
    }
    if !doubles.isEmpty { throw .duplicate(doubles.sorted()) }
  }
}
