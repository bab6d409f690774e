import Diffusion
import Graphs
import Tensors

extension Model {
  /// Weights drawn from `seed`: normal with variance 1 / fan-in, so that activations keep their size from layer to layer;
  /// norms the identity, biases zero.
  static func random(graph: Graph, seed: UInt64) -> Model {
    let noise = NoiseSource(seed: seed, stream: .recipe)
    var parameters: [String: Tensor] = [:]
    for (position, parameter) in graph.parameters.enumerated() {
      let count = parameter.dims.reduce(1, *)
      if parameter.dims.count == 1 {
        let value: Float = parameter.name.hasSuffix("weight") ? 1 : 0
        parameters[parameter.name] = Tensor(parameter.dims, [Float](repeating: value, count: count))
      } else {
        let scale = 1 / Float(count / parameter.dims[0]).squareRoot()
        let shape = ImageShape(channels: 1, height: 1, width: count)
        let values = noise.normals(images: [position], shape: shape, draw: .initial).values
        parameters[parameter.name] = Tensor(parameter.dims, values.map { $0 * scale })
      }
    }
    return Model(graph: graph, parameters: parameters)
  }
}
