import Foundation
import Tensors
import Testing

/// Against the platform's libm, which is accurate to 1 unit in the last place: 4 units leave room for our own roundings.
@Suite("Portable elementary functions")
struct PortableMathTests {
  static let tolerance = 4 * Double.ulpOfOne

  @Test("logarithm over the whole range of exponents, and near 1 relative to the result's size")
  func logarithm() {
    for exponent in -1000...1000 {
      for fraction in stride(from: 1.0, to: 2.0, by: 1.0 / 7) {
        let x = fraction * pow(2, Double(exponent))
        let expected = log(x)
        #expect(abs(PortableMath.log(x) - expected) <= Self.tolerance * max(abs(expected), 0x1p-10))
      }
    }
    #expect(PortableMath.log(1) == 0)
  }

  @Test("exponential, with flushed underflow, overflow and NaN")
  func exponential() {
    for x in stride(from: -707.5, through: 708.5, by: 0.37) {
      #expect(abs(PortableMath.exp(x) - exp(x)) <= Self.tolerance * exp(x))
    }
    #expect(PortableMath.exp(0) == 1)
    #expect(PortableMath.exp(-800) == 0)
    #expect(PortableMath.exp(800) == .infinity)
    #expect(PortableMath.exp(.nan).isNaN)
  }

  @Test("sine and cosine over one turn, exact at its quarters")
  func sineAndCosine() {
    for step in 0...4096 {
      let turns = Double(step) / 4096
      let (sine, cosine) = PortableMath.sineCosine(turns: turns)
      // The angle 2 pi turns itself rounds in the expected value: half a unit of at most 2 pi.
      #expect(abs(sine - sin(2 * Double.pi * turns)) <= 2 * Self.tolerance)
      #expect(abs(cosine - cos(2 * Double.pi * turns)) <= 2 * Self.tolerance)
    }
    let quarters = [0, 0.25, 0.5, 0.75, 1].map { PortableMath.sineCosine(turns: $0) }
    #expect(quarters.map(\.sine) == [0, 1, 0, -1, 0])
    #expect(quarters.map(\.cosine) == [1, 0, -1, 0, 1])
  }
}
