import Foundation

/// `value` with `digits` decimals, always with a point, whatever the locale.
package func fixed(_ value: Double, _ digits: Int) -> String {
  guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
  return String(format: "%.\(digits)f", locale: Locale(identifier: "en_US_POSIX"), value)
}

/// A byte count in decimal units, as disks and downloads state it: `10.96 MB`.
package func shown(bytes: Int) -> String {
  switch bytes {
  case ..<1000: "\(bytes) bytes"
  case ..<1_000_000: "\(fixed(Double(bytes) / 1e3, 1)) kB"
  case ..<1_000_000_000: "\(fixed(Double(bytes) / 1e6, 2)) MB"
  default: "\(fixed(Double(bytes) / 1e9, 2)) GB"
  }
}

/// A count with thousands separated: `2,734,945`.
package func shown(count: Int) -> String {
  let digits = String(count.magnitude)
  var out = ""
  for (position, digit) in digits.enumerated() {
    if position > 0, (digits.count - position) % 3 == 0 { out += "," }
    out.append(digit)
  }
  return count < 0 ? "-" + out : out
}
