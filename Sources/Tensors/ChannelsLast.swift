/// Conversion of one image between C H W, as checkpoints and callers have it, and H W C, as the executors compute.
package enum ChannelsLast {
  package static func write(
    from source: UnsafePointer<Float>, channels: Int, pixels: Int, to target: UnsafeMutablePointer<Float>
  ) {
    for c in 0..<channels {
      for p in 0..<pixels { target[p * channels + c] = source[c * pixels + p] }
    }
  }

  package static func read(
    from source: UnsafePointer<Float>, channels: Int, pixels: Int, to target: UnsafeMutablePointer<Float>
  ) {
    for c in 0..<channels {
      for p in 0..<pixels { target[c * pixels + p] = source[p * channels + c] }
    }
  }
}
