import CKernels

/// All kernels as this target compiles them, without those that another target adds.
package func kernelTable(set: Int32) -> ht_kernels {
  ht_kernels(
    set: set, convolveF32: convolveF32, convolveU8S8: convolveU8S8, convolveBF16: nil,
    winogradInput: winogradInput, winogradOutput: winogradOutput, transform: transform, channelSums: channelSums,
    softmaxRows: softmaxRows, layerNorm: layerNorm, geglu: geglu, averagePool: averagePool, simulate: simulate,
    packMatrix: packMatrix, packCodes: packCodes, add: add, affine: affine, activationGradient: activationGradient,
    channelProducts: channelProducts, channelBlend: channelBlend, softmaxGradient: softmaxGradient,
    layerNormGradient: layerNormGradient, gegluGradient: gegluGradient, addScaled: addScaled,
    softWeights: softWeights, softGradient: softGradient, adam: adam)
}
