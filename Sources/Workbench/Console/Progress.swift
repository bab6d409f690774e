/// Progress of a long piece of work: a bar that redraws itself on a terminal, a plain line now and then elsewhere.
package final class Progress {
  private let title: String
  private let unit: String
  private let total: Int
  private let console: Console
  private let redraws: Bool
  private let clock = ContinuousClock()
  private let started: ContinuousClock.Instant
  /// Work that was done before this process began: it counts as done, but not for the rate.
  private var inherited: Double
  private var lastShown: ContinuousClock.Instant?
  private var lineIsOpen = false

  /// Time between redraws, and between plain lines.
  private static let redrawInterval = Duration.milliseconds(200)
  private static let lineInterval = Duration.seconds(10)

  /// - Parameters: total: units of work in all; inherited: units an earlier process has done.
  package init(_ title: String, unit: String, total: Int, inherited: Int = 0, console: Console) {
    self.title = title
    self.unit = unit
    self.total = total
    self.inherited = Double(inherited)
    self.console = console
    self.redraws = Console.redrawsStandardError
    self.started = clock.now
  }

  /// Units that turned out to be done before: they count as done, but not for the rate.
  package func inherit(_ units: Int) { inherited += Double(units) }

  /// - Parameter done: units done so far, fractions of a unit included.
  package func update(_ done: Double) {
    console.listener?.progress(title, unit, done, total)
    guard !console.isQuiet else { return }
    let now = clock.now
    // The first plain line waits a full interval: short work stays silent off a terminal.
    if let since = lastShown ?? (redraws ? nil : started),
      now - since < (redraws ? Self.redrawInterval : Self.lineInterval)
    {
      return
    }
    lastShown = now
    show(Self.line(status(done, at: now), columns: redraws ? Console.columns - 1 : 120, drawsBar: redraws))
  }

  /// The closing line. Call once, when all is done or the work stops.
  package func finish(_ done: Double) {
    console.listener?.progress(title, unit, done, total)
    guard !console.isQuiet else { return }
    show(Self.line(status(done, at: clock.now), columns: redraws ? Console.columns - 1 : 120, drawsBar: redraws))
    if lineIsOpen { Console.standardError("\n") }
    lineIsOpen = false
  }

  private func show(_ line: String) {
    // Erase to the end of the line, so that a shorter line leaves nothing of a longer one.
    Console.standardError(redraws ? "\r\(line)\u{1B}[K" : line + "\n")
    lineIsOpen = redraws
  }

  private func status(_ done: Double, at now: ContinuousClock.Instant) -> Status {
    let elapsed = (now - started) / .seconds(1)
    let fresh = done - inherited
    return Status(
      title: title, unit: unit, done: done, total: total, rate: elapsed > 0 && fresh > 0 ? fresh / elapsed : nil)
  }

  package struct Status {
    package let title: String
    package let unit: String
    package let done: Double
    package let total: Int
    /// Units per second of this process.
    package let rate: Double?
    package init(title: String, unit: String, done: Double, total: Int, rate: Double?) {
      self.title = title
      self.unit = unit
      self.done = done
      self.total = total
      self.rate = rate
    }
  }

  /// One line of at most `columns` characters; the bar takes what the figures leave, and goes first where space is short.
  package static func line(_ status: Status, columns: Int, drawsBar: Bool) -> String {
    let fraction = status.total > 0 ? min(max(status.done / Double(status.total), 0), 1) : 1
    var figures = "\(Int(status.done))/\(status.total) \(status.unit)"
    if let rate = status.rate {
      figures += "  \(shown(rate: rate))/s"
      if fraction < 1 { figures += "  \(shown(seconds: (Double(status.total) - status.done) / rate)) left" }
    }
    let room = columns - status.title.count - figures.count - 4
    if drawsBar, room >= 8 {
      let width = min(room, 30)
      let filled = Int(fraction * Double(width))
      let bar = String(repeating: "=", count: filled) + String(repeating: " ", count: width - filled)
      return "\(status.title) [\(bar)] \(figures)"
    }
    // Where even the figures do not fit, whole words go from the end.
    var words = "\(status.title) \(figures)".split(separator: " ", omittingEmptySubsequences: false)
    while words.count > 1, words.reduce(words.count - 1, { $0 + $1.count }) > columns { words.removeLast() }
    while words.last?.isEmpty == true { words.removeLast() }
    return words.joined(separator: " ")
  }

  private static func shown(rate: Double) -> String { rate < 10 ? fixed(rate, 2) : fixed(rate, 1) }

  /// Hours, minutes and seconds.
  static func shown(seconds: Double) -> String {
    let whole = Int(min(seconds, 1e9).rounded())
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
    let pad = { (n: Int) in n < 10 ? "0\(n)" : "\(n)" }
    return hours > 0 ? "\(hours):\(pad(minutes)):\(pad(rest))" : "\(minutes):\(pad(rest))"
  }
}
