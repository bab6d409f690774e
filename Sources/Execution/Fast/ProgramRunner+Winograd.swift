import CKernels
import Tensors

extension ProgramRunner {
  /// A 3x3 convolution by transformed tiles: input tiles to 36 planes, each plane times its weights, back to output
  /// tiles. Workers share tile rows, then planes, then tile rows: no sum depends on how many there are.
  func multiplyTiles(
    _ contraction: Contraction, _ tiles: WinogradTiles, _ input: UnsafeMutablePointer<Float>, _ slot: CallConstants.Slot
  ) {
    let halo = contraction.halo
    let (inputs, products) = (floats(tiles.input), floats(tiles.products))
    split(tiles.rows) { rows in
      var pass = ht_winograd_input()
      pass.input = UnsafePointer(input)
      pass.row_stride = Int64(halo.width * halo.pixelStride)
      pass.pixel_stride = Int64(halo.pixelStride)
      pass.planes = inputs
      pass.plane_stride = Int64(tiles.inputPlane)
      pass.tile_row_begin = Int32(rows.lowerBound)
      pass.tile_row_end = Int32(rows.upperBound)
      pass.tile_columns = Int32(tiles.columns)
      pass.channels = Int32(halo.pixelStride)
      kernels.winogradInput(&pass)
    }
    split(PackedWeights.winogradProducts) { planes in
      for plane in planes { multiplyPlane(plane, of: contraction, tiles) }
    }
    split(tiles.rows) { rows in
      constants.floats.withUnsafeBufferPointer { constants in
        let channels = contraction.outputChannels
        var pass = ht_winograd_output()
        pass.planes = UnsafePointer(products)
        pass.plane_stride = Int64(tiles.productPlane)
        pass.tile_row_begin = Int32(rows.lowerBound)
        pass.tile_row_end = Int32(rows.upperBound)
        pass.tile_columns = Int32(tiles.columns)
        pass.channels = Int32(channels)
        pass.bias = constants.baseAddress! + slot.parts[0].bias
        pass.residual = contraction.residual.map { UnsafePointer(floats($0)) }
        pass.output = floats(contraction.output)
        pass.output_row_stride = Int64(contraction.outputWidth * channels)
        pass.output_pixel_stride = Int64(channels)
        pass.height = Int32(contraction.outputHeight)
        pass.width = Int32(contraction.outputWidth)
        kernels.winogradOutput(&pass)
      }
    }
  }

  /// One plane's tiles as the pixels of a 1x1 convolution.
  private func multiplyPlane(_ plane: Int, of contraction: Contraction, _ tiles: WinogradTiles) {
    let (inputs, outputs) = (contraction.halo.pixelStride, contraction.outputChannels)
    let weights = contraction.parts[0].weights.buffer.raw + plane * inputs * outputs * MemoryLayout<Float>.stride
    withUnsafeTemporaryAllocation(of: Float.self, capacity: outputs) { zeros in
      zeros.initialize(repeating: 0)
      withRowProduct(
        of: floats(tiles.input) + plane * tiles.inputPlane, stride: inputs, inputs: inputs, by: weights,
        bias: zeros.baseAddress!, into: floats(tiles.products) + plane * tiles.productPlane, stride: outputs,
        outputs: outputs
      ) { product in
        product.row_end = Int32(tiles.count)
        product.block_end = Int32(contraction.blocks)
        kernels.convolveF32(&product)
      }
    }
  }
}
