import Formats
import Tensors
import TestSupport
import Testing

/// What checkpoints of other programs are as weights of a network.
@Suite struct CheckpointTests {
  // MARK: Files of the original programs

  /// Names, types, shapes and bytes of every array, digested; expected are those that Python's own unpickler gives.
  private static func digest(_ source: any WeightSource) throws -> String {
    var digest = Digest.Incremental()
    for entry in source.entries {
      digest.update(Array("\(entry.name) \(entry.type.rawValue) \(entry.dims)\n".utf8))
      digest.update(try source.read(entry.name).bytes)
    }
    return digest.finish()
  }

  private static let files: [(path: String, digest: String)] = [
    ("f1-ddim-bedroom/model-2388000.ckpt", "60607a2f6755bdbc76aa4efa5840a990c3bb87a74cf5938bc4996b2d6fa7f6f2"),
    ("f1-ddim-cifar/model-790000.ckpt", "52f0541a70b151addc28baeee0ce33f8193bf836a80fb9e3aa8fff6d7eaa1bae"),
    ("f1-ddim-trainlist/ckpt.pth", "fb08b1bbdca15402d31d14c216180ba5d4b302e1c91f2fac29f7191bdcc3d5e9"),
    (
      "f2-guided-legacy-updown-class/64x64_diffusion_like.pt",
      "80a36ca4936458dea820d87975cc960952125ba231844d10ceed442edcb83329"
    ),
    ("f2-guided-neworder/lsun_like.pt", "1aa716d10bbb65caec474caa2ad0f30a5ea4850e257abc904a4907cd9e4afae0"),
    ("f2-improved-in64like/ema_0.9999_050000.pt", "c819879905a887fa28309f649b8af40c391ecdf4a66ecb07636acbbc920d93c2"),
    (
      "f2-improved-noscaleshift/cifar10_uncond_50M_500K.pt",
      "a9df5f258c5df3f0a4268b7bc4daf35d55c05e2c24321e99cb8cfebbe228ff78"
    ),
    ("f4-kl-f8/model.ckpt", "6c240c4ac88c7342651d460145482cfcdf5c7ca6a852ded038eda6df3acbddce"),
  ]

  @Test(arguments: files.indices)
  func everyValueIsThatOfTheFile(_ index: Int) throws {
    let checkpoint = try Checkpoint(Fixtures.path("checkpoints/" + Self.files[index].path))
    #expect(try Self.digest(checkpoint.weights) == Self.files[index].digest)
  }

  @Test func trainingListsHaveTwoSets() throws {
    let path = Fixtures.path("checkpoints/f1-ddim-trainlist/ckpt.pth")
    let averaged = try Checkpoint(path)
    #expect(averaged.choice == .ema)
    #expect(
      averaged.notes == [
        "took the EMA weights; the file has raw ones, too, for --weights raw",
        "stripped the prefix module. from the names",
        "set apart: optimizer (8 arrays)", "not read: [1], [2], [3]",
      ])
    let raw = try Checkpoint(path, .init(weights: .raw))
    #expect(raw.choice == .raw)
    #expect(raw.notes[0] == "took the raw weights; the file has EMA weights, too")
    #expect(try Self.digest(raw.weights) == "37cdd7f8476344b017b7657999b6207e3b1359e70a77baff62ad0797dad1cfd2")
    #expect(try Self.digest(#require(raw.groups["ema"])) == Self.files[2].digest)
  }

  @Test func leftoversOfTrainingAreSetApart() throws {
    let checkpoint = try Checkpoint(Fixtures.path("checkpoints/f4-kl-f8/model.ckpt"))
    #expect(checkpoint.groups["loss"]?.entries.contains { $0.name == "logvar" } == true)
    #expect(checkpoint.weights.entry("encoder.conv_in.weight")?.dims == [32, 3, 3, 3])
    #expect(
      checkpoint.notes == [
        "set apart: callbacks (1 array), loss (5 arrays)",
        "not read: epoch, global_step, hparams_name, hyper_parameters, lr_schedulers, optimizer_states, "
          + "pytorch-lightning_version",
      ])
  }

  @Test func optimisersAreNoNetworks() throws {
    let path = Fixtures.path("checkpoints/f2-improved-in64like/opt050000.pt")
    let error = try #require(thrownError { _ = try Checkpoint(path) })
    #expect(
      "\(error)"
        == """
        error[E-WEIGHTS-NETWORK]: \(path): holds no network's weights, only optimizer (9 arrays)
        hint: training writes weights into files of their own, often called model….pt and ema….pt
        """)
  }

  // MARK: Made here

  /// A file whose arrays, of two elements each, hold their number in the order given.
  private static func file(_ tables: [(path: [String], names: [String])]) throws -> WeightFile {
    struct Node {
      var arrays: [(String, [UInt8])] = []
      var maps: [(String, Node)] = []
      mutating func add(_ path: ArraySlice<String>, _ name: String, _ tensor: [UInt8]) {
        guard let first = path.first else { return arrays.append((name, tensor)) }
        if !maps.contains(where: { $0.0 == first }) { maps.append((first, Node())) }
        for i in maps.indices where maps[i].0 == first { maps[i].1.add(path.dropFirst(), name, tensor) }
      }
      var pickle: [UInt8] { Pickle.map(arrays + maps.map { ($0.0, $0.1.pickle) }) }
    }
    var (root, storages): (Node, [(key: String, bytes: [UInt8])]) = (Node(), [])
    for table in tables {
      for name in table.names {
        let type = name.hasSuffix("num_batches_tracked") ? "IntStorage" : "FloatStorage"
        root.add(table.path[...], name, Pickle.tensor([2], key: "\(storages.count)", type: type))
        storages.append(("\(storages.count)", Pickle.floats([Float(storages.count), 0])))
      }
    }
    return try WeightFile(
      InputFile(bytes: Pickle.zipped(Pickle.whole(root.pickle), storages: storages), name: "m.ckpt"))
  }

  /// The number of each array by its clean name.
  private static func numbers(_ source: any WeightSource) throws -> [String: Float] {
    var out: [String: Float] = [:]
    for entry in source.entries { out[entry.name] = try source.read(entry.name).floats()?.values.first }
    return out
  }

  private static func open(
    _ tables: [(path: [String], names: [String])], _ choice: WeightChoice? = nil
  ) throws -> Checkpoint { try Checkpoint(file(tables), weights: choice) }

  @Test(arguments: [
    "", "module.", "module.module.", "_orig_mod.", "module._orig_mod.", "model.diffusion_model.", "unet.",
    "model.",
  ])
  func sharedPrefixesAreStripped(_ prefix: String) throws {
    let checkpoint = try Self.open([([], ["in.weight", "out.weight"].map { prefix + $0 })])
    #expect(try Self.numbers(checkpoint.weights) == ["in.weight": 0, "out.weight": 1])
    #expect(checkpoint.notes == (prefix.isEmpty ? [] : ["stripped the prefix \(prefix) from the names"]))
  }

  @Test func wrappersOfLayersAreRemoved() throws {
    let checkpoint = try Self.open([([], ["down.0._orig_mod.weight", "up._checkpoint_wrapped_module.bias"])])
    #expect(checkpoint.weights.entries.map(\.name) == ["down.0.weight", "up.bias"])
    #expect(checkpoint.notes == ["removed wrappers of single layers (_orig_mod and the like) from the names"])
  }

  @Test(arguments: [["state_dict"], ["model"], ["model_state_dict"], ["model", "state_dict"], ["net"]])
  func networksStandUnderManyKeys(_ path: [String]) throws {
    let checkpoint = try Self.open([(path, ["module.a.w", "module.b.w"]), (["optimizer", "state", "0"], ["exp_avg"])])
    #expect(try Self.numbers(checkpoint.weights) == ["a.w": 0, "b.w": 1])
    #expect(checkpoint.groups["optimizer"]?.entries.count == 1)
  }

  @Test(arguments: [
    ["ema"], ["model_ema"], ["ema_state_dict"], ["state_dict_ema"], ["ema", "model"], ["ema", "shadow"],
  ])
  func averagesStandUnderManyKeys(_ path: [String]) throws {
    let tables = [(["model"], ["module.a.w", "module.b.w"]), (path, ["a.w", "b.w"])]
    let averaged = try Self.open(tables)
    #expect(averaged.choice == .ema)
    #expect(try Self.numbers(averaged.weights) == ["a.w": 2, "b.w": 3])
    #expect(try Self.numbers(#require(averaged.groups["raw"])) == ["a.w": 0, "b.w": 1])
    #expect(try Self.numbers(Self.open(tables, .raw).weights) == ["a.w": 0, "b.w": 1])
    // Alone they are the only weights.
    #expect(try Self.open([tables[1]]).choice == .ema)
    #expect(
      thrownError { _ = try Self.open([tables[1]], .raw) }.map { "\($0)" }?.contains("holds EMA weights only") == true)
  }

  /// Latent diffusion: names of averages have no dots and start with the attribute that holds the network.
  @Test func averagesWithoutDotsAreAssigned() throws {
    let names = [
      "betas", "scale_factor", "model.diffusion_model.a.0.w", "model.diffusion_model.a.1.w", "model_ema.decay",
      "model_ema.num_updates", "model_ema.diffusion_modela0w", "model_ema.diffusion_modela1w",
      "first_stage_model.decoder.w", "cond_stage_model.x.w", "cond_stage_model.num_batches_tracked",
    ]
    let checkpoint = try Self.open([(["state_dict"], names), (["optimizer_states", "0", "state", "0"], ["exp_avg"])])
    #expect(try Self.numbers(checkpoint.weights) == ["a.0.w": 6, "a.1.w": 7])
    #expect(checkpoint.choice == .ema)
    #expect(try Self.numbers(#require(checkpoint.groups["first_stage_model"])) == ["decoder.w": 8])
    #expect(checkpoint.groups["cond_stage_model"]?.entries.map(\.name) == ["num_batches_tracked", "x.w"])
    #expect(try Self.numbers(#require(checkpoint.groups["buffers"])) == ["betas": 0, "scale_factor": 1])
    #expect(
      checkpoint.notes == [
        "took the EMA weights; the file has raw ones, too, for --weights raw",
        "stripped the prefix model.diffusion_model. from the names",
        "set apart: buffers (2 arrays), cond_stage_model (2 arrays), first_stage_model (1 array), optimizer_states (1 array)",
      ])
    #expect(try Self.numbers(Self.open([(["state_dict"], names)], .raw).weights) == ["a.0.w": 2, "a.1.w": 3])
  }

  @Test func averagesThatDoNotFitAreNamed() throws {
    // Two names that become one without dots.
    let names = ["model.diffusion_model.a.bc", "model.diffusion_model.ab.c", "model_ema.diffusion_modelabc"]
    let error = try #require(thrownError { _ = try Self.open([([], names)]) })
    #expect(
      "\(error)"
        == """
        error[E-WEIGHTS-EMA]: m.ckpt: EMA names have no dots, and "a.bc" and "ab.c" become the same
        hint: take the other weights with --weights raw
        """)
    // Some weights have none, and some averages belong to nothing.
    let partial = try Self.open([(["model"], ["a.w", "b.w"]), (["ema"], ["b.w", "c.w"])])
    #expect(try Self.numbers(partial.weights) == ["a.w": 0, "b.w": 2])
    #expect(
      partial.notes == [
        "took the EMA weights; the file has raw ones, too, for --weights raw",
        "1 array (a.w) without EMA values, taken as they are",
        "1 EMA array belongs to no weight by name and is not used (c.w)",
      ])
    #expect(
      thrownError { _ = try Self.open([([], ["a.w", "b.w"])], .ema) }.map { "\($0)" }
        == "error[E-WEIGHTS-EMA]: m.ckpt: holds no EMA weights\nhint: leave --weights out")
  }

  @Test func listsOfFourHaveNoAverages() throws {
    let two = Pickle.map([("module.a.w", Pickle.tensor()), ("module.b.w", Pickle.tensor())])
    let state = Pickle.map([
      ("state", Pickle.dictionary([(key: Pickle.number(0), value: Pickle.map([("exp_avg", Pickle.tensor())]))]))
    ])
    let bytes = Pickle.zipped(
      Pickle.whole(Pickle.list([two, state, Pickle.number(1), Pickle.number(2)])),
      storages: [("0", Pickle.floats([1, 2, 3, 4]))])
    let checkpoint = try Checkpoint(WeightFile(InputFile(bytes: bytes, name: "ckpt.pth")), weights: nil)
    #expect(checkpoint.choice == nil && checkpoint.weights.entries.map(\.name) == ["a.w", "b.w"])
    // A list of tensors has names that are positions.
    let list = Pickle.whole(Pickle.list([Pickle.map([("a", Pickle.tensor())]), Pickle.tensor()]))
    let mixed = Pickle.zipped(list, storages: [("0", Pickle.floats([1, 2, 3, 4]))])
    #expect(
      try Checkpoint(WeightFile(InputFile(bytes: mixed, name: "m")), weights: nil).weights.entries.map(\.name) == ["a"])
  }

  @Test func integersAreNoWeights() throws {
    let checkpoint = try Self.open([([], ["a.weight", "a.num_batches_tracked"])])
    #expect(checkpoint.weights.entries.map(\.name) == ["a.weight"])
    #expect(checkpoint.groups["integers"]?.entries.map(\.name) == ["a.num_batches_tracked"])
  }

  @Test func averagesBesideAFileAreSaid() throws {
    let folder = try TemporaryFolder()
    let archive = TensorArchive(tensors: ["a.w": StoredTensor(Tensor([1], [1])), "b.w": StoredTensor(Tensor([1], [1]))])
    for name in ["model050000.pt", "ema_0.9999_050000.pt", "ema_0.9999_040000.pt"] {
      try Safetensors.write(archive, to: folder.file(name))
    }
    let checkpoint = try Checkpoint(folder.file("model050000.pt"))
    #expect(checkpoint.choice == .raw)
    #expect(checkpoint.notes == ["took raw weights; EMA weights stand beside them in ema_0.9999_050000.pt"])
    #expect(try Checkpoint(folder.file("ema_0.9999_050000.pt"), .init(weights: .ema)).notes == [])
    let error = try #require(thrownError { _ = try Checkpoint(folder.file("model050000.pt"), .init(weights: .ema)) })
    #expect("\(error)".hasSuffix("hint: beside it stands \"ema_0.9999_050000.pt\""))
  }

  // MARK: Folders

  @Test func foldersOfBothSetsAreSaid() throws {
    let pipeline = Fixtures.path("cases/non-ema-silent/pipeline")
    let averaged = try Checkpoint(pipeline)
    #expect(averaged.choice == .ema)
    #expect(averaged.file.path == pipeline + "/unet_ema/diffusion_pytorch_model.safetensors")
    #expect(
      averaged.notes == [
        "took the EMA weights in \(pipeline)/unet_ema; the raw ones in unet are there for --weights raw"
      ])
    let raw = try Checkpoint(pipeline, .init(weights: .raw))
    #expect(raw.file.path == pipeline + "/unet/diffusion_pytorch_model.safetensors")
    #expect(raw.notes == ["took the raw weights in \(pipeline)/unet; EMA weights stand in unet_ema"])
    #expect(
      try Checkpoint(pipeline + "/unet").notes == [
        "took the raw weights that were named; EMA weights stand in \(pipeline)/unet_ema"
      ])
    #expect(try Checkpoint(pipeline + "/unet_ema").notes == [])
  }

  @Test func doublesAreRoundedAndSaid() throws {
    let checkpoint = try Checkpoint(Fixtures.path("cases/weights-f64/model"))
    #expect(checkpoint.notes.count == 1 && checkpoint.notes[0].hasPrefix("F64, rounded to F32 where it runs: "))
  }
}
