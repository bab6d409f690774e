/// What the system says of the machine and of this process.
package enum SystemFacts {
  /// The host's name, the kind of machine, and the kernel with its release (uname).
  package static var names: (host: String, machine: String, kernel: String) {
    var names = utsname()
    uname(&names)
    return (text(of: names.nodename), text(of: names.machine), "\(text(of: names.sysname)) \(text(of: names.release))")
  }

  private static func text<Characters>(of characters: Characters) -> String {
    withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// The processor's name; nil where /proc does not say.
  package static var processor: String? {
    let line = (kernelFile("/proc/cpuinfo") ?? "").split(separator: "\n").first { $0.hasPrefix("model name") }
    return line?.split(separator: ":", maxSplits: 1).last.map { String($0.drop { $0 == " " || $0 == "\t" }) }
  }

  /// Processors that the control group grants; nil without a bound.
  package static var processorQuota: Double? {
    let numbers = (kernelFile("/sys/fs/cgroup/cpu.max") ?? "").split(whereSeparator: \.isWhitespace)
      .compactMap { Double($0) }
    return numbers.count == 2 && numbers[1] > 0 ? numbers[0] / numbers[1] : nil
  }

  /// A path that starts the running program again.
  package static let ownExecutable = "/proc/self/exe"

  /// Where the running program lies; nil where the system does not say.
  package static var executablePath: String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(ownExecutable, &buffer, buffer.count)
    return count < 0 ? nil : String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
