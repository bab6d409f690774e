import Diffusion
import Evaluation
import Formats
import Foundation
import Networks
import Quantization
import Tensors
import TestSupport
import Workbench

/// Every reader of files that users give. A new one adds its line here.
package enum FuzzCatalog {
  package static func readers() throws -> [FuzzReader] {
    try configurations() + reports() + images() + archives() + models() + parts() + folders()
  }

  static let checkout = Fixtures.root.deletingLastPathComponent().deletingLastPathComponent()

  private static func file(_ path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: checkout.appending(path: path)))
  }

  static func fixture(_ path: String) throws -> [UInt8] { try file("Tests/Fixtures/" + path) }

  static func write(_ bytes: [UInt8], _ folder: String, _ name: String) throws -> String {
    let path = folder + "/" + name
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }

  // MARK: Texts

  private static func configurations() throws -> [FuzzReader] {
    let networks =
      try ["unet-ddpm", "unet-class-scale-shift"].map { try fixture("golden/\($0)/config.json") }
      + [fixture("checkpoints/f5-sd1/diffusers/unet/config.json"), latentNetwork()]
    let latents = try ["f3-ldm-cin256", "f3-ldm8-churches"].map { try fixture("checkpoints/\($0)/config.yaml") }
    let schedulers = try [file("models/fashion-mnist-ddpm/scheduler/scheduler_config.json")]
    let stages =
      try ["f6-ldm-pipeline/vqvae/config.json"].map { try fixture("checkpoints/\($0)") } + [
        Array(#"{"_class_name": "AutoencoderTiny", "encoder_block_out_channels": [8, 8], "scaling_factor": 1.5}"#.utf8),
        Array(
          JSONWriter.compact(try GoldenFirstStage.named("f4-vq-f4").reading().configuration.encoded).utf8),
      ]
    let compvis = try GoldenFirstStage.named("f3-ldm4-uncond")
    let (weights, factor, isAlone) = try compvis.source()
    let samplers = try [
      "ddim-10", "ddpm-100", "ddim-100-quad", "dpmpp-2m-20", "euler-20", "heun-20", "lcm-4", "plms-50", "unipc-20",
    ].map { try file("samplers/\($0).yaml") }
    let recipes = try ["halftone-w4a8", "mixed-w4a8", "ptq4dm-w8a8"].map { try file("calib/\($0).yaml") }
    let process = try SchedulerConfiguration.decode(JSON.parse(schedulers[0], file: "scheduler"), file: "scheduler")
      .process
    return [
      FuzzReader("network", .text, seeds: networks) { input in
        _ = try UNetCatalog.decode(JSON.parse(input, file: "input"), file: "input").graph()
      },
      FuzzReader("first-stage", .text, seeds: stages) { input in
        let found = try FirstStageCatalog.decode(JSON.parse(input, file: "input"), file: "input")
        for side in FirstStageSide.allCases { _ = try found.graph(side, latent: SampleSize(height: 4, width: 4)) }
      },
      FuzzReader(
        "first-stage-section", .text, seeds: [try fixture("checkpoints/f3-ldm4-uncond/config.yaml")]
      ) { input in
        _ = try FirstStageCheckpoint.read(
          weights, document: CheckpointDocument(file: "input", value: YAML.parse(input, file: "input")),
          scaleFactor: factor, isAlone: isAlone)
      },
      FuzzReader("compvis", .text, seeds: latents) { input in
        _ = try CompVisConfiguration(CheckpointDocument(file: "input", value: YAML.parse(input, file: "input")))
      },
      FuzzReader("scheduler", .text, seeds: schedulers) { input in
        _ = try SchedulerConfiguration.decode(JSON.parse(input, file: "input"), file: "input").process
      },
      FuzzReader("sampler", .text, seeds: samplers) { input in
        _ = try SamplerCatalog.decode(YAML.parse(input, file: "input"), file: "input").steps(for: process)
      },
      FuzzReader("recipe", .text, seeds: recipes) { input in
        _ = try Recipe(YAML.parse(input, file: "input"), file: "input")
      },
    ]
  }

  /// The data of a report, as `quantize --from` reads it and a page is made of it.
  private static func reports() throws -> [FuzzReader] {
    var document = ReportDocument(title: "t", commands: ["demo"])
    var variant = ReportVariant(name: "v", title: "v", isQuantized: true)
    variant.stepDecibels = [30, nil, 20, 10, 12]
    variant.layers = [
      ReportLayer(
        path: "a", weightBits: 4, activationBits: 8, weightCount: 9, weightBytes: 5, multiplyAccumulates: 90)
    ]
    variant.calibration = ReportCoverage(distribution: "ndtc", trajectories: 2, counts: [1, 2])
    variant.analysis = ReportAnalysis(
      float: "f", quantized: "q", images: 1, steps: [0, 3],
      layers: [
        .init(path: "a", weight: [0.25, 0.5], activation: [0.125, 0], accumulated: [nil, 0.5], clippedWeights: 0.1)
      ],
      ranges: [.init(site: "a:input", lower: [0, -1], upper: [1, 2], gridLower: [-1], gridUpper: [2])],
      histograms: [.init(site: "a:weight", firstCode: -1, lastCode: 5, largestCode: 3, counts: [1, 2], clipped: 0)])
    document.variants = [variant]
    document.strips = [
      .init(title: "s", image: 1, steps: [0], height: 4, width: 4, rows: [.init(model: "v", frames: ["aaaa"])])
    ]
    let data = JSONWriter.compact([
      "recipes": ["v": try YAML.parse(file("calib/rtn-w4a8.yaml"), file: "recipe")],
      "report": try ReportFile.value(of: document),
    ])
    return [
      FuzzReader("report", .text, seeds: [Array(data.utf8)]) { input, folder in
        _ = try ReportedRecipe(path: write(input, folder, "report.json"), name: nil, count: 1).read()
        _ = try ReportPage(ReportFile.document(in: JSON.parse(input, file: "input"), file: "input")).html()
      }
    ]
  }

  /// The configuration of a latent diffusion U-Net as artefacts hold it.
  private static func latentNetwork() -> [UInt8] {
    let outline = UNetOutline(
      sampleSize: SampleSize(height: 8, width: 8), inChannels: 3, outChannels: 3, modelChannels: 32,
      blockOutChannels: [32, 64], layersPerBlock: 1, attentionLevels: [1])
    let base = OpenAIUNetConfiguration(
      outline: outline, stemChannels: 32, heads: .width(16), timeScaleShift: .add, resampling: .convolution,
      classes: nil)
    let configuration = LatentUNetConfiguration(base: base, depth: 1, context: .init(tokens: 1, width: 8))
    return Array(JSONWriter.compact(configuration.encoded).utf8)
  }

  // MARK: Images

  private static func images() throws -> [FuzzReader] {
    let levels = (0..<(8 * 8 * 3)).map { UInt8($0) }
    let colours = PixelImage(height: 8, width: 8, channels: 3, pixels: levels)
    let grey = PixelImage(height: 8, width: 8, channels: 1, pixels: Array(levels[..<64]))
    let pngs = try [
      PNG.encode(colours, texts: [("key", "value"), ("other", "é")]), PNG.encode(grey), fixture("png/grey16.png"),
      fixture("png/colours16.png"),
    ]
    let jpegs = try ["grey", "colours-420", "progressive-422", "cmyk"].map { try fixture("jpeg/\($0).jpg") }
    let idx = [UInt8]([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 4]) + levels[..<32]
    let samples = try array(StoredTensor(dims: [2, 4, 4, 3], Array(levels[..<96])))
    let sets = [
      storedZip([("set/0.png", pngs[0]), ("set/1.png", pngs[0])]), storedZip([("arr_0.npy", samples)]), samples, idx,
    ]
    return [
      FuzzReader("png", .png, seeds: pngs) { input in
        _ = try PNG.decode(input, file: "input.png")
        _ = try PNG.texts(of: input, file: "input.png")
      },
      FuzzReader("jpeg", .bytes, seeds: jpegs) { input in _ = try JPEG.decode(input, file: "input.jpg") },
      FuzzReader("image-zip", .zip(.png), seeds: [sets[0]], readSet),
      FuzzReader("image-array", .zip(.npy), seeds: [sets[1]], readSet),
      FuzzReader("image-npy", .npy, seeds: [sets[2]], readSet),
      FuzzReader("idx", .bytes, seeds: [sets[3], try fixture("fuzz/seeds/images.idx.gz")], readSet),
    ]
  }

  /// All images of a set, twice: as scoring reads them, and as a run of one size.
  private static func readSet(_ input: [UInt8], _ folder: String) throws {
    let path = try write(input, folder, "set")
    for depth in [PNG.DepthRule.nearest, .pillow] {
      let options = ImageSourceOptions(recursive: true, mixedSizes: depth == .pillow, depth: depth)
      try ImageSources.open(path, options: options).forEachBatch(of: 4) { _ in }
    }
  }

  private static func array(_ tensor: StoredTensor) throws -> [UInt8] {
    try withTemporaryFolder { folder in
      try NPY.write(tensor, to: folder + "/a.npy")
      return Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/a.npy")))
    }
  }

  // MARK: Arrays

  private static func archives() throws -> [FuzzReader] {
    let covariance = (0..<9).map { $0 % 4 == 0 ? 1.0 : 0.25 }
    let moments = [
      ("mu.npy", try array(StoredTensor(dims: [3], [0.5, 1, 2]))),
      ("sigma.npy", try array(StoredTensor(dims: [3, 3], covariance))),
    ]
    let features = StoredTensor(Tensor([4, 3], (0..<12).map { Float($0 * $0 % 7) }))
    let ours = try withTemporaryFolder { folder in
      var sums = FeatureAccumulator(extractor: .unknown, dimension: 3)
      try sums.add(features.floats()!, images: 0..<4)
      try NPZ.write(sums.archive(), to: folder + "/s.npz")
      return Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/s.npz")))
    }
    let statistics = try [
      storedZip(moments), ours, storedZip([("features.npy", array(features))]), fixture("pytorch/state.pth"),
    ]
    return [
      FuzzReader("npy", .npy, seeds: [try array(features)]) { input in
        _ = try NPY.open(InputFile(bytes: input, name: "input.npy")).tensor()
      },
      FuzzReader("npz", .zip(.npy), seeds: Array(statistics[..<3])) { input in
        _ = try NPZFile(InputFile(bytes: input, name: "input.npz")).archiveInMemory()
      },
      FuzzReader("statistics", .zip(.npy), seeds: statistics) { input, folder in
        let path = try write(input, folder, "statistics")
        let archive = try StatisticsFiles.required(path, console: Console(quiet: true))
        let found = try FeatureStatistics(archive: archive, file: path)
        _ = try FrechetDistance.compute(found, found)
      },
      FuzzReader("hdf5", .bytes, seeds: [try fixture("fuzz/seeds/set.h5")], startsProcesses: true) { input, folder in
        let path = try write(input, folder, "set.h5")
        let file = try HDF5File(path, reader: BuiltProgram.reader, seconds: Int(FuzzReader.secondsLimit) - 1)
        for dataset in file.datasets.prefix(20) { _ = try file.tensor(dataset.name) }
        _ = try CalibrationFile.Reader(path, reader: BuiltProgram.reader)
      },
    ]
  }

  // MARK: Models

  private static func models() throws -> [FuzzReader] {
    let weights = Safetensors.encode(
      TensorArchive(
        tensors: [
          "a.weight": StoredTensor(Tensor([2, 3], [1, 2, 3, 4, 5, 6])),
          "b": StoredTensor(dims: [3], [1, 2, 3] as [UInt8]),
          "half": StoredTensor(type: .f16, dims: [2], bytes: [0, 60, 0, 64]),
        ], metadata: ["format": "pt"]))
    let checkpoints = try ["state", "module"].map { try fixture("pytorch/\($0).pth") }
    let assets = try Assets.locate()
    return [
      FuzzReader("safetensors", .safetensors, seeds: [weights]) { input in
        let archive = try SafetensorsFile(InputFile(bytes: input, name: "input.safetensors")).archive()
        for name in archive.names { _ = archive.tensors[name]?.floats() }
      },
      FuzzReader("pytorch", .zip(.pickle), seeds: checkpoints, readCheckpoint),
      FuzzReader("pytorch-legacy", .pickle, seeds: [try fixture("pytorch/legacy.pth")], readCheckpoint),
      FuzzReader(
        "artefact", .artefact(metadataKey: "halftone"), seeds: [try fixture("fuzz/seeds/artefact.safetensors")]
      ) {
        input, folder in
        let path = try write(input, folder, "model.safetensors")
        let source = try ModelSource.open(path, assets: assets)
        _ = try source.sampler(nil, assets: assets)
      },
    ]
  }

  private static func readCheckpoint(_ input: [UInt8]) throws {
    _ = try PyTorchFile(InputFile(bytes: input, name: "input.pth")).archiveInMemory()
  }

  // MARK: Folders

  private static func folders() throws -> [FuzzReader] {
    [
      FuzzReader("run-record", .text, seeds: [try fixture("fuzz/seeds/run.json")]) { input, folder in
        _ = try write(input, folder, "run.json")
        _ = try RunFolder(folder, command: "sample", identity: ["seed": 0], arguments: [])
      },
      FuzzReader("unit-record", .text, seeds: [Array(Self.unitRecord.utf8)]) { input, folder in
        try FileManager.default.createDirectory(atPath: folder + "/units", withIntermediateDirectories: true)
        _ = try write(input, folder, "units/000001.json")
        _ = try UnitRecord.read(1, inRun: folder)
      },
      FuzzReader("shard-report", .text, seeds: [Array(Self.shardReport.utf8)]) { input, folder in
        _ = try ShardReport.read(write(input, folder, "3-of-16.json"))
      },
      FuzzReader("calibration-unit", .text, seeds: [Array(Self.calibrationUnit.utf8)]) { input in
        _ = try CalibrationUnitFacts(JSON.parse(input, file: "input"), file: "input")
      },
      FuzzReader("latents", .zip(.npy), seeds: [try latent()]) { input, folder in
        try FileManager.default.createDirectory(atPath: folder + "/latents/000000", withIntermediateDirectories: true)
        let path = try write(input, folder, "latents/000000/000000.npz")
        let shape = ImageShape(channels: 2, height: 3, width: 3)
        _ = ImageStore(
          folder: folder, shape: shape, content: .latents, seed: 0, modelDigest: "", runDigest: ""
        ).state(of: 0)
        for place in [folder, path] { _ = try LatentSet(place, console: Console(quiet: true)).values(0..<1) }
      },
      FuzzReader("run-image", .png, seeds: [try fixture("fuzz/seeds/000000.png")]) { input, folder in
        try FileManager.default.createDirectory(atPath: folder + "/images/000000", withIntermediateDirectories: true)
        _ = try write(Array("{}".utf8), folder, "run.json")
        _ = try write(input, folder, "images/000000/000000.png")
        let shape = ImageShape(channels: 1, height: 28, width: 28)
        _ = ImageStore(folder: folder, shape: shape, seed: 0, modelDigest: "", runDigest: "").state(of: 0)
        try ImageSources.open(folder).forEachBatch(of: 1) { _ in }
      },
    ]
  }

  private static let unitRecord =
    #"{"schema": 1, "unit": 1, "first_image": 70, "run": "sha256:aa", "sha256": ["aa", "bb"]}"#
  private static let shardReport =
    #"{"schema": 1, "shard": 3, "shards": 16, "images": 64, "drawn": 60, "seconds": 1.5, "host": "a", "report": {}}"#
  private static let calibrationUnit = #"{"schema": 1, "unit": 1, "units": 3, "counts": [64, 0, 6], "sha256": "aa"}"#

  /// One latent as a run keeps it.
  private static func latent() throws -> [UInt8] {
    try withTemporaryFolder { folder in
      let values = Tensor([1, 2, 3, 3], (0..<18).map { Float($0) })
      let store = ImageStore(
        folder: folder, shape: ImageShape(channels: 2, height: 3, width: 3), content: .latents, seed: 0,
        modelDigest: "", runDigest: "")
      try store.write(values, row: 0, index: 0)
      return Array(try Data(contentsOf: URL(fileURLWithPath: store.path(of: 0))))
    }
  }
}
