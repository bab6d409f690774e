import Workbench

/// A report with something of everything in it.
enum SampleReport {
  static func analysis(_ digest: String) -> ReportAnalysis {
    ReportAnalysis(
      float: "sha256:float", quantized: digest, images: 2, steps: [3, 9],
      layers: [
        .init(
          path: "conv_in", weight: [0.00001, 0.00001], activation: [0.001, 0.001], accumulated: [0, 0],
          clippedWeights: nil,
          clippedActivations: 0.01),
        .init(path: "mid.conv1", weight: [0.01, 0.03], activation: [0.001, 0.001], accumulated: [0.1, nil]),
        .init(path: "mid.attn.scores", weight: nil, activation: [0, 0], accumulated: nil),
        .init(
          path: "conv_out", weight: [0.04, 0.08], activation: nil, accumulated: [0.2, 0.3], clippedWeights: 0.002),
      ],
      ranges: [.init(site: "mid.conv1:input", lower: [-1, -2], upper: [1, 3], gridLower: [-2], gridUpper: [3])],
      histograms: [
        .init(
          site: "conv_out:weight", firstCode: -3.7, lastCode: 18.7, largestCode: 15, counts: [1, 2, 3], clipped: 0.002)
      ])
  }

  static func variant(_ name: String, decibels: [Double?], analysed: Bool) -> ReportVariant {
    var variant = ReportVariant(name: name, title: name, isQuantized: true)
    variant.digest = "sha256:\(name)"
    variant.bytes = 1_500_000
    variant.floatShare = 0.021
    variant.milliseconds = 1.5
    variant.psnrMean = 31.5
    variant.distances = [1.5, 1.7]
    variant.distanceTitle = "Fréchet distance"
    variant.timesteps = decibels.indices.map { Double(900 - 90 * $0) }
    variant.stepDecibels = decibels
    variant.drift = decibels.map { _ in 0.001 }
    variant.layers = [
      ReportLayer(
        path: "conv_out", weightBits: 4, activationBits: nil, weightCount: 100, weightBytes: 50,
        multiplyAccumulates: 900),
      ReportLayer(
        path: "mid.attn.scores", weightBits: nil, activationBits: 8, weightCount: 0, weightBytes: 0,
        multiplyAccumulates: 70),
    ]
    variant.calibration = ReportCoverage(distribution: "ndtc", trajectories: 16, counts: [1, 2, 3])
    variant.recipe = ReportRecipe(
      text: "method: rtn # a comment", changes: ["calibration.trajectories: 64 -> 16"], file: "rtn.yaml")
    if analysed { variant.analysis = analysis("sha256:\(name)") }
    return variant
  }

  static var document: ReportDocument {
    var document = ReportDocument(title: "tiny: recipes compared", commands: ["ablate"])
    var float = ReportVariant(name: "float", title: "float", isQuantized: false)
    float.milliseconds = 3
    float.distances = [1, 1.2]
    float.bytes = 9_000_000
    document.variants = [
      float, variant("bad", decibels: [30, 30, 30, 30, 30, 30, 30, 30, 12, 10], analysed: true),
      variant("good", decibels: [40, 41, nil, 40, 40, 40, 40, 40, 40, 40], analysed: false),
    ]
    document.galleries = [
      .init(
        title: "tiny", models: ["float", "bad"], height: 28, width: 28,
        rows: [
          .init(
            image: 7,
            cells: [
              .init(png: "iVBORw0KGgo="),
              .init(png: "iVBORw0KGgo=", difference: "iVBORw0KGg==", psnr: 20.25, ssim: 0.5),
            ])
        ])
    ]
    document.strips = [
      .init(
        title: "tiny", image: 7, steps: [1, 5], height: 28, width: 28,
        rows: [.init(model: "float", frames: ["iVBO", "iVBP"]), .init(model: "bad", frames: ["iVBO", "iVBP"])])
    ]
    document.scores = [.init(title: "Fréchet distance", value: 1.25, low: 1, high: 1.5)]
    document.provenance = [
      .init(title: "run", command: "halftone ablate tiny", facts: [.init("machine", "a processor")])
    ]
    document.summary = Findings(document).sentences
    return document
  }
}
