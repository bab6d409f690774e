import CKernels
import Graphs
import Tensors

extension GradientExecutor {
  func normalize(_ node: Node, scale: String, shift: String, groups: Int, epsilon: Float) {
    let (channels, pixels) = (channels(node), pixels(node))
    let (gamma, beta) = (parameters[scale]!.values, parameters[shift]!.values)
    // On the way back they are known.
    let known = isBack ? moments[node.index] : nil
    var found =
      known
      ?? [GroupMoments](repeating: GroupMoments(channels: channels, pixels: pixels, groups: groups), count: count)
    found.withUnsafeMutableBufferPointer { found in
      let found = found
      forEachImage { image in
        let x = operand(node, image)
        withChannels(4 * channels) { room in
          let (sum, centers) = (room, room + channels)
          if known == nil {
            sums(x, pixels, channels, into: sum)
            found[image].setMeans(sum)
          }
          found[image].writeCenters(to: centers)
          if known == nil {
            sums(x, pixels, channels, power: 2, center: centers, into: sum)
            found[image].setInverses(sum, epsilon: epsilon)
          }
          let (factor, offset) = (room + 2 * channels, room + 3 * channels)
          found[image].writeAffine(gamma: gamma, beta: beta, centers: centers, scale: factor, shift: offset)
          transform(x, pixels, channels, into: result(node, image), scale: factor, shift: offset)
        }
      }
    }
    moments[node.index] = found
  }

  /// With x^ = (x - mean) / deviation: dx = (gamma dy - mean(gamma dy) - x^ mean(gamma dy x^)) / deviation, means over
  /// the group; the affine part's gradients are the sums over pixels of dy x^ and dy.
  func normalizeGradient(_ node: Node, scale: String, shift: String, groups: Int) {
    let (channels, pixels) = (channels(node), pixels(node))
    let gamma = parameters[scale]!.values
    let target = contribution(node)
    let known = moments[node.index] ?? []
    let wantsAffine = targets.parameters.contains(scale) || targets.parameters.contains(shift)
    var scales = [Float](repeating: 0, count: wantsAffine ? count * channels : 0)
    var shifts = scales
    scales.withUnsafeMutableBufferPointer { scales in
      shifts.withUnsafeMutableBufferPointer { shifts in
        let (scales, shifts) = (scales, shifts)
        forEachImage { image in
          let moments = known[image]
          withChannels(6 * channels) { room in
            let (centers, dySums, products) = (room, room + channels, room + 2 * channels)
            moments.writeCenters(to: centers)
            var pass = ht_channel_products(
              dy: cotangent(node, image), x: operand(node, image), center: centers, sums: dySums, products: products,
              pixels: Int32(pixels), channels: Int32(channels))
            kernels.channelProducts(&pass)
            let (dyScale, xScale, offset) = (room + 3 * channels, room + 4 * channels, room + 5 * channels)
            let values = Double(pixels * moments.size)
            for group in 0..<groups {
              let (inverse, range) = (moments.inverses[group], moments.channels(of: group))
              let mean = range.reduce(0) { $0 + Double(gamma[$1]) * Double(dySums[$1]) } / values
              let slope = range.reduce(0) { $0 + Double(gamma[$1]) * Double(products[$1]) } * inverse / values
              for c in range {
                dyScale[c] = Float(inverse * Double(gamma[c]))
                xScale[c] = Float(-inverse * inverse * slope)
                offset[c] = Float(inverse * (Double(centers[c]) * inverse * slope - mean))
                if wantsAffine {
                  scales[image * channels + c] = Float(inverse * Double(products[c]))
                  shifts[image * channels + c] = dySums[c]
                }
              }
            }
            guard let target else { return }
            var blend = ht_channel_blend(
              dy: cotangent(node, image), x: operand(node, image), dy_scale: dyScale, x_scale: xScale, offset: offset,
              out: target.base + image * node.count, pixels: Int32(pixels), channels: Int32(channels),
              accumulate: target.accumulate ? 1 : 0)
            kernels.channelBlend(&blend)
          }
        }
      }
    }
    if targets.parameters.contains(scale) { setGradient(scale, count: channels, scales) }
    if targets.parameters.contains(shift) { setGradient(shift, count: channels, shifts) }
  }
}
