/// What a report says, as data: the page is drawn from it alone, and the file beside the page holds it (docs/formats/runs.md).
package struct ReportDocument: Codable, Sendable, Equatable {
  package static let currentSchema = 1

  package var schema = Self.currentSchema
  package var title: String
  /// The commands that made what is reported: `ablate`.
  package var commands: [String]
  /// What is wrong and where, in a sentence or two.
  package var summary: [String] = []
  /// The models, each float model before what was quantised from it.
  package var variants: [ReportVariant] = []
  package var galleries: [Gallery] = []
  package var strips: [Strip] = []
  package var scores: [Score] = []
  package var provenance: [Provenance] = []
  package var notes: [String] = []

  package init(title: String, commands: [String]) {
    self.title = title
    self.commands = commands
  }

  /// Images at equal seeds: one row for each image, one cell for each model.
  package struct Gallery: Codable, Sendable, Equatable {
    package var title: String
    /// Names of the models, the one that others are compared with first.
    package var models: [String]
    package var height: Int
    package var width: Int
    /// The most different first where there is something to compare.
    package var rows: [Row]

    package init(
      title: String, models: [String], height: Int, width: Int, rows: [Row]
    ) {
      self.title = title
      self.models = models
      self.height = height
      self.width = width
      self.rows = rows
    }

    package struct Row: Codable, Sendable, Equatable {
      package var image: Int
      package var cells: [Cell]

      package init(
        image: Int, cells: [Cell]
      ) {
        self.image = image
        self.cells = cells
      }
    }

    /// One image as PNG in base 64.
    package struct Cell: Codable, Sendable, Equatable {
      package var png: String
      /// The signed difference from the first model's image, amplified: blue is darker, orange lighter.
      package var difference: String?
      package var psnr: Double?
      package var ssim: Double?

      package init(
        png: String, difference: String? = nil, psnr: Double? = nil, ssim: Double? = nil
      ) {
        self.png = png
        self.difference = difference
        self.psnr = psnr
        self.ssim = ssim
      }
    }
  }

  /// One image's way from noise to picture: what each model predicts of the finished image at some of the steps.
  package struct Strip: Codable, Sendable, Equatable {
    package var title: String
    package var image: Int
    package var steps: [Int]
    package var height: Int
    package var width: Int
    package var rows: [Row]

    package init(
      title: String, image: Int, steps: [Int], height: Int, width: Int, rows: [Row]
    ) {
      self.title = title
      self.image = image
      self.steps = steps
      self.height = height
      self.width = width
      self.rows = rows
    }

    package struct Row: Codable, Sendable, Equatable {
      package var model: String
      /// PNG in base 64, one for each of `steps`.
      package var frames: [String]

      package init(
        model: String, frames: [String]
      ) {
        self.model = model
        self.frames = frames
      }
    }
  }

  /// One metric of two sets of images.
  package struct Score: Codable, Sendable, Equatable {
    package var title: String
    package var value: Double
    package var deviation: Double?
    package var low: Double?
    package var high: Double?

    package init(
      title: String, value: Double, deviation: Double? = nil, low: Double? = nil, high: Double? = nil
    ) {
      self.title = title
      self.value = value
      self.deviation = deviation
      self.low = low
      self.high = high
    }
  }

  /// Where one run or file comes from and how it is made again.
  package struct Provenance: Codable, Sendable, Equatable {
    package var title: String
    /// The command that made it; nil where nothing says it.
    package var command: String?
    package var facts: [Fact]

    package init(
      title: String, command: String? = nil, facts: [Fact]
    ) {
      self.title = title
      self.command = command
      self.facts = facts
    }

    package struct Fact: Codable, Sendable, Equatable {
      package var name: String
      package var value: String
      package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
      }
    }
  }
}
