import Graphs
import Platform
import Tensors

// Parameters of functions of the timestep or label. Once per image, on vectors: plain Double loops.
extension GradientExecutor {
  /// y = sin, cos of 2 pi w ln t (Song et al. 2021, appendix C): dy / dw = 2 pi ln t (cos, -sin).
  func fourierGradient(_ node: Node, _ weight: String, flipSinToCos: Bool) {
    guard targets.parameters.contains(weight), let frequencies = parameters[weight]?.values else { return }
    let half = frequencies.count
    let (sine, cosine) = flipSinToCos ? (half, 0) : (0, half)
    var perImage = [Float](repeating: 0, count: count * half)
    for image in 0..<count {
      let slope = 2 * Double.pi * log(Double(operand(node, image)[0]))
      let dy = cotangent(node, image)
      for j in 0..<half {
        let angle = slope * Double(frequencies[j])
        perImage[image * half + j] = Float(
          slope * (cos(angle) * Double(dy[sine + j]) - sin(angle) * Double(dy[cosine + j])))
      }
    }
    setGradient(weight, count: half, perImage)
  }

  /// Every image adds its cotangent to the row it looked up.
  func tableGradient(_ node: Node, _ table: String) {
    guard targets.parameters.contains(table), let size = parameters[table]?.count else { return }
    var sums = [Double](repeating: 0, count: size)
    for image in 0..<count {
      let row = Int(operand(node, image)[0]) * node.count
      for (i, value) in UnsafeBufferPointer(start: cotangent(node, image), count: node.count).enumerated() {
        sums[row + i] += Double(value)
      }
    }
    parameterGradients[table] = sums.map { Float($0) }
  }
}
