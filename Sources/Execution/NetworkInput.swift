import Diffusion
import Graphs
import Tensors

/// One call's operands. Timesteps and conditioning have one entry per image; per-step tables are looked up by `stepIndex`,
/// one per call.
package struct NetworkInput: Sendable {
  /// N C H W.
  package var x: Tensor
  /// One per image; empty for networks that read no timestep.
  package var timesteps: [Timestep]
  /// One per image; empty for unconditional networks.
  package var conditioning: [Conditioning]
  /// Position in the sampler's execution order; nil outside sampling (allowed only when nothing depends on the step).
  package var stepIndex: Int?

  package init(x: Tensor, timesteps: [Timestep], conditioning: [Conditioning] = [], stepIndex: Int? = nil) {
    self.x = x
    self.timesteps = timesteps
    self.conditioning = conditioning
    self.stepIndex = stepIndex
  }

  /// All images at one sampling step.
  package init(x: Tensor, at step: Step, conditioning: [Conditioning]) {
    self.init(
      x: x, timesteps: [Timestep](repeating: step.networkTimestep, count: x.dims.first ?? 0), conditioning: conditioning,
      stepIndex: step.index)
  }

  /// A call of a network that reads nothing but images: a classifier.
  package init(images x: Tensor) { self.init(x: x, timesteps: []) }

  /// What conditions one image.
  package func conditioning(of image: Int) -> Conditioning { conditioning.isEmpty ? .none : conditioning[image] }

  /// What the call brings for an input's node, batch axis first. - Precondition: the call was checked (`Graph.check`).
  func value(of node: Node) -> Tensor {
    guard case .input(let input) = node.op else { preconditionFailure("\(node.path) is no input") }
    let images = 0..<x.dims[0]
    switch input.meaning {
    case .sample: return x
    case .timestep: return Tensor([images.count], timesteps.map { Float($0.value) })
    case .label: return Tensor([images.count], images.map { Float(conditioning(of: $0).label ?? 0) })
    case .context:
      return Tensor([images.count] + node.dims, images.flatMap { conditioning(of: $0).context!.tokens.values })
    case .vector:
      return Tensor([images.count] + node.dims, images.flatMap { conditioning(of: $0).vectors[input.name]! })
    }
  }

  /// The timestep of one image; nil for networks that read none.
  package func timestep(of image: Int) -> Timestep? { timesteps.isEmpty ? nil : timesteps[image] }
}

extension Graph {
  /// Throws unless the call fits: shapes, counts, timesteps and conditioning.
  package func check(_ input: NetworkInput) throws(ExecutionError) {
    let batch = input.x.dims.first ?? 0
    guard input.x.dims.count == 4, Array(input.x.dims.dropFirst()) == imageShape.dims else {
      throw .shape(expected: imageShape.dims, found: input.x.dims)
    }
    if !input.timesteps.isEmpty || inputNode(.timestep) != nil {
      guard input.timesteps.count == batch else {
        throw .count(what: "timesteps", expected: batch, found: input.timesteps.count)
      }
      for timestep in input.timesteps { try check(timestep) }
    }
    let form = conditioning
    if !input.conditioning.isEmpty, input.conditioning.count != batch {
      let what = form.classes == nil ? "conditionings" : "labels"
      throw .count(what: what, expected: batch, found: input.conditioning.count)
    }
    // An unconditional call of an empty batch has nothing to check.
    for image in 0..<batch { try form.check(input.conditioning(of: image)) }
  }

  /// Throws where an operation that reads the timestep is undefined.
  private func check(_ timestep: Timestep) throws(ExecutionError) {
    let value = timestep.value
    guard value.isFinite else { throw .timestep(value: value, reason: "is not finite") }
    for node in nodes where node.inputs.contains(where: { nodes[$0].op.meaning == .timestep }) {
      switch node.op.facts.domain {
      case .everything: continue
      case .positive:
        guard value > 0 else {
          throw .timestep(value: value, reason: "is not positive, and the network takes its logarithm")
        }
      case .rows:
        let rows = parameterDims(of: node)?[0] ?? 0
        guard let row = Int(exactly: value), (0..<rows).contains(row) else {
          throw .timestep(value: value, reason: "is not a row of the learned time embedding: 0..<\(rows)")
        }
      }
    }
  }
}

extension ConditioningForm {
  /// Throws unless the conditioning has what the network takes, and nothing else.
  package func check(_ conditioning: Conditioning) throws(ExecutionError) {
    switch (classes, conditioning.label) {
    case (nil, nil): break
    case (nil, .some): throw .labelsUnexpected
    case (.some(let count), nil): throw .labelsMissing(classCount: count)
    case (.some(let count), .some(let label)):
      if !(0..<count).contains(label) { throw .labelOutOfRange(label: label, classCount: count) }
    }
    let expected = context.map { [$0.tokens, $0.width] }
    if conditioning.context?.tokens.dims != expected {
      throw .context(expected: expected, found: conditioning.context?.tokens.dims)
    }
    let found = conditioning.vectors.mapValues(\.count)
    if found != vectors { throw .vectors(expected: vectors, found: found) }
  }
}
