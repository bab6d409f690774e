import Formats
import Foundation
import Graphs
import Networks
import Tensors

/// Makes model folders of small networks, as diffusers saves them, with weights drawn from a seed.
package enum ModelFolderMaker {
  /// A U-Net of two levels on 8x8 images, one of them with attention.
  package static func configuration(channels: Int = 1) -> UNet2DConfiguration {
    var configuration = UNet2DConfiguration()
    configuration.sampleSize = SampleSize(height: 8, width: 8)
    (configuration.inChannels, configuration.outChannels) = (channels, channels)
    configuration.blockOutChannels = [4, 6]
    configuration.downBlocks = [.plain, .attention]
    configuration.upBlocks = [.attention, .plain]
    configuration.layersPerBlock = 1
    configuration.normGroups = 2
    configuration.attentionHeadDim = nil
    return configuration
  }

  /// Parameters uniform with variance 1 / fan-in, so that values keep their size; norms near the identity.
  package static func parameters(of graph: Graph, seed: UInt64 = 1) -> [String: Tensor] {
    var random = SplitMix64(seed)
    var parameters: [String: Tensor] = [:]
    for parameter in graph.parameters {
      let isScale = parameter.dims.count == 1 && parameter.name.contains("norm") && parameter.name.hasSuffix("weight")
      let fanIn = Float(parameter.dims.dropFirst().reduce(1, *))
      let bound = parameter.dims.count > 1 ? (3 / fanIn).squareRoot() : 0.1
      let values = random.floats(parameter.count).map { (isScale ? 1 : 0) + bound * $0 }
      parameters[parameter.name] = Tensor(parameter.dims, values)
    }
    return parameters
  }

  /// - Parameter change: of the parameters, before they are written.
  package static func make(
    _ folder: String, _ configuration: UNet2DConfiguration = configuration(), weights: Bool = true,
    change: (inout [String: Tensor]) -> Void = { _ in }
  ) throws {
    try Folder.create(folder + "/unet")
    try Folder.create(folder + "/scheduler")
    try AtomicFile.write(JSONWriter.pretty(configuration.encoded), to: folder + "/unet/config.json")
    try AtomicFile.write(
      """
      {"_class_name": "DDPMScheduler", "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
       "num_train_timesteps": 1000, "prediction_type": "epsilon"}
      """, to: folder + "/scheduler/scheduler_config.json")
    if !weights { return }
    var parameters = parameters(of: try configuration.graph())
    change(&parameters)
    try Safetensors.write(
      TensorArchive(tensors: parameters.mapValues { StoredTensor($0) }),
      to: folder + "/unet/diffusion_pytorch_model.safetensors")
  }
}
