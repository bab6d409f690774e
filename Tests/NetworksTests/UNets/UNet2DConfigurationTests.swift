import Formats
import Networks
import Tensors
import TestSupport
import Testing

@Suite struct UNet2DConfigurationTests {
  /// The problems of a config.json with these keys, each as "path: text" without the file's name.
  private func problems(_ text: String) -> [String] {
    let error = thrownError {
      _ = try UNet2DConfiguration.decode(JSON.parse(Array(text.utf8), file: "c"), file: "c")
    }
    guard let error = error as? ConfigurationError else { return error.map { ["\($0)"] } ?? [] }
    return error.problems.map { "\($0.path.dropFirst(3)): \($0.text)" }
  }

  @Test func absentKeysTakeTheDefaultsOfDiffusers() throws {
    let defaults = try JSON.read(Fixtures.golden("unet2dmodel-defaults.json"))
    let fromDefaults = try UNet2DConfiguration.decode(defaults, file: "defaults")
    #expect(fromDefaults == UNet2DConfiguration())
    #expect(try UNet2DConfiguration.decode([:], file: "empty") == fromDefaults)
    // Every key of diffusers is known, and none is invented.
    guard case .map(let theirs) = defaults, case .map(let ours) = fromDefaults.encoded else { return }
    #expect(Set(ours.map(\.key)) == Set(theirs.map(\.key) + ["_class_name"]))
  }

  @Test(arguments: GoldenNetwork.all)
  func aWrittenConfigurationReadsBackEqual(_ network: GoldenNetwork) throws {
    let configuration = try #require(network.configuration() as? UNet2DConfiguration)
    let text = JSONWriter.pretty(configuration.encoded)
    let again = try UNetCatalog.decode(JSON.parse(Array(text.utf8), file: "again"), file: "again")
    #expect(again as? UNet2DConfiguration == configuration)
  }

  @Test func misspelledKeysGetASuggestion() {
    #expect(
      problems(#"{"block_out_chanels": [32], "wings": 2}"#) == [
        "block_out_chanels: unknown key (did you mean \"block_out_channels\"?)", "wings: unknown key",
      ])
  }

  @Test func unknownBlockTypesAreNamedWithTheirPosition() {
    #expect(
      problems(
        #"{"down_block_types": ["DownBlock2D", "AtnDownBlock2D"], "up_block_types": ["SkipUpBlock2D", "UpBlock2D"], "#
          + #""block_out_channels": [32, 64]}"#) == [
          "down_block_types[1]: expected one of DownBlock2D, AttnDownBlock2D, ResnetDownsampleBlock2D, found "
            + "\"AtnDownBlock2D\" (did you mean \"AttnDownBlock2D\"?)",
          "up_block_types[0]: expected one of UpBlock2D, AttnUpBlock2D, ResnetUpsampleBlock2D, found \"SkipUpBlock2D\"",
        ])
  }

  @Test func groupsAndHeadsMustDivideChannels() {
    #expect(
      problems(
        #"{"block_out_channels": [20, 30], "norm_num_groups": 8, "attention_head_dim": 7, "attn_norm_num_groups": 9, "#
          + #""down_block_types": ["DownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "AttnUpBlock2D"]}"#)
        == [
          "norm_num_groups: 8 groups do not divide block_out_channels[0] = 20",
          "norm_num_groups: 8 groups do not divide block_out_channels[1] = 30",
          "attn_norm_num_groups: 9 groups do not divide block_out_channels[1] = 30 of the middle block",
        ])
    // As many heads as fit whole; levels without attention have none.
    #expect(
      problems(
        #"{"block_out_channels": [20, 30], "norm_num_groups": 10, "attention_head_dim": 25, "#
          + #""down_block_types": ["AttnDownBlock2D", "AttnDownBlock2D"], "up_block_types": ["UpBlock2D", "UpBlock2D"]}"#
      )
        == ["attention_head_dim: heads of 25 channels are wider than block_out_channels[0] = 20"])
    #expect(
      problems(
        #"{"block_out_channels": [20, 30], "norm_num_groups": 10, "attention_head_dim": 15, "#
          + #""down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["UpBlock2D", "UpBlock2D"]}"#)
        == [])
  }

  @Test func hugeAndEmptyListsAreRefused() {
    #expect(
      problems(#"{"block_out_channels": [1000000000, -1, 64.5, "x"], "in_channels": 0, "layers_per_block": 100000}"#)
        == [
          "in_channels: expected an integer from 1 to 1048576, found 0",
          "block_out_channels[0]: expected an integer from 1 to 1048576, found 1000000000",
          "block_out_channels[1]: expected an integer from 1 to 1048576, found -1",
          "block_out_channels[2]: expected an integer from 1 to 1048576, found 64.5",
          "block_out_channels[3]: expected an integer from 1 to 1048576, found \"x\"",
          "layers_per_block: expected an integer from 1 to 64, found 100000",
        ])
    #expect(
      problems(#"{"block_out_channels": [], "down_block_types": [], "up_block_types": []}"#) == [
        "block_out_channels: expected 1 to 15 levels, found 0", "down_block_types: expected 1 to 15 levels, found 0",
        "up_block_types: expected 1 to 15 levels, found 0",
      ])
    #expect(
      problems(#"{"block_out_channels": [32, 64]}"#) == [
        "down_block_types: expected 2 levels as in block_out_channels, found 4",
        "up_block_types: expected 2 levels as in block_out_channels, found 4",
      ])
  }

  @Test func sizesMustDivide() {
    #expect(
      problems(#"{"sample_size": [32, 20]}"#) == [
        "sample_size: 32x20 is not divisible by 8: 4 levels halve height and width 3 times"
      ])
    #expect(
      problems(#"{"sample_size": [32]}"#) == [
        "sample_size: expected an integer or a list of height and width, found a list of 1"
      ])
    #expect(problems(#"{"sample_size": 1e6}"#) == ["sample_size: expected an integer from 1 to 16384, found 1000000.0"])
  }

  @Test func whatTheNetworkDoesNotSupportIsNamed() {
    #expect(
      problems(
        #"{"class_embed_type": "identity", "mid_block_type": "UNetMidBlock2DCrossAttn", "downsample_padding": 2, "#
          + #""resnet_time_scale_shift": "spatial", "act_fn": "tanh", "mid_block_scale_factor": 0, "norm_eps": null, "#
          + #""downsample_type": "fir", "time_embedding_type": "sinusoidal"}"#) == [
          "time_embedding_type: expected one of positional, fourier, learned, found \"sinusoidal\"",
          "mid_block_type: expected \"UNetMidBlock2D\" or null, found \"UNetMidBlock2DCrossAttn\"",
          "downsample_padding: expected an integer from 0 to 1, found 2",
          "downsample_type: expected one of conv, resnet, found \"fir\"",
          "act_fn: expected one of silu, gelu, relu, mish, swish, found \"tanh\"",
          "resnet_time_scale_shift: expected one of default, scale_shift, found \"spatial\"",
          "class_embed_type: \"identity\" is not supported: it takes whole embedding vectors instead of class labels",
          "norm_eps: null has no meaning here; leave the key out for the default",
          "mid_block_scale_factor: 0 divides nothing; leave it at 1",
        ])
    #expect(
      problems(#"{"time_embedding_type": "learned", "class_embed_type": "timestep"}"#) == [
        "num_train_timesteps: missing; a \"learned\" time embedding has one row per training timestep",
        "class_embed_type: \"timestep\" is supported with \"positional\" time embeddings only, found \"learned\"",
      ])
    #expect(
      problems(#"{"freq_shift": 112}"#) == [
        "freq_shift: 112.0 equals half of block_out_channels[0]: the frequencies are undefined"
      ])
  }

  @Test func familiesAreFoundByClassName() throws {
    func message(_ value: ConfigurationValue) -> String? {
      (thrownError { _ = try UNetCatalog.decode(value, file: "unet/config.json") } as? ConfigurationError)?.message
    }
    #expect(
      message(["_class_name": "UNet2DModle"])
        == "unet/config.json: _class_name: expected one of UNet2DModel, DDIMUNet, OpenAIUNet, LatentUNet, UNet2DConditionModel, found \"UNet2DModle\" (did you mean \"UNet2DModel\"?)"
    )
    #expect(
      message(["sample_size": 8])
        == "unet/config.json: _class_name: missing; it names the network's family: expected one of UNet2DModel, DDIMUNet, OpenAIUNet, LatentUNet, UNet2DConditionModel"
    )
    #expect(message([1, 2]) == "unet/config.json: expected a map, found a list")
    // Settings that training leaves behind say nothing about the network.
    let trained: ConfigurationValue = [
      "_class_name": "UNet2DModel", "_name_or_path": "x", "decay": 0.99, "power": 0.75,
    ]
    #expect(try UNetCatalog.decode(trained, file: "c") as? UNet2DConfiguration == UNet2DConfiguration())
  }
}
