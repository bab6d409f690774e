// Arguments of the compute kernels (plain structs shared by every instruction set) and the few operations that Swift
// lacks. All pointers are to memory that the caller (Tensors) has checked; kernels check nothing.
//
// Layout: one image, N H W C without N. "Row" and "pixel" strides are in elements of the array they describe.
#pragma once
#include <stdint.h>
#include "Lanes.h"
#include "MatrixTiles.h"

// A column of 16 output channels for plain AVX2, where pairs of products are summed in 16 bits (|x| <= 255, so weights of one
// sign that are added there may come to 128). Weights beyond that are cut to what fits; the rest are entries of their own.
typedef struct {
  int32_t gather;               // groups of four inputs whose pair sums are added in 16 bits; 0: the column is not cut
  int32_t low_begin, high_begin, end;  // its entries: those of the first 8 channels, then those of the others
} ht_gathered_column;

// Convolution of one image over output rows [row_begin, row_end) and output-channel blocks [block_begin, block_end) of
// 32 channels. A linear layer is a 1x1 convolution over one row of `width` tokens.
//
//   sum[o]   = start[o] + sum over taps, then input channels, of input[tap][c] * weight[o][tap][c]
//   value[o] = fma(sum[o], scale[o], bias[o]) + residual        (integer; scale = s_activation * s_weight[o])
//   value[o] = bias[o] + sum, accumulated from bias[o] in tap-then-channel order by fused multiply-add, + residual (f32)
//   the same in bfloat16, two channels at a time, as the processor's instruction rounds
//
// The input is a halo buffer: every tap of every output pixel is inside it, so there is no padding here.
typedef struct {
  const void *input;            // f32, u8 or bfloat16, at the halo buffer's first element
  const int32_t *tap_offsets;   // element offset of each tap from the output pixel's first input element
  int32_t taps;
  int32_t input_channels;       // f32: as is; u8: padded to a multiple of 4 in the buffer and in the weights; bfloat16: even
  int64_t input_row_stride;     // elements between input rows, times the convolution's vertical stride
  int64_t input_pixel_stride;   // elements between input pixels, times the convolution's horizontal stride
  const void *weights;          // packed: f32 [block][tap][ic][32]; s8 [column][tap][ic/4][channel of the column][4], a
                                // column being two vectors of output channels: 16 or 32; bfloat16 [block][tap][ic/2][32][2]
  const ht_gathered_column *gathered_columns;  // plain AVX2, or NULL
  const int32_t *excess_places;                // of each entry: tap, first of its four inputs
  const void *excess_weights;                  // s8 [entry][8][4]
  const int32_t *start;         // integer only, per output channel, padded to 32: -zero_point * sum of weights
  const float *scale;           // integer only, padded to 32
  const float *bias;            // padded to 32
  const float *residual;        // or NULL; same strides as the output
  float *output;
  int64_t output_row_stride, output_pixel_stride;
  int32_t width;                // output pixels in a row
  int32_t row_begin, row_end;
  int32_t block_begin, block_end;
  int32_t output_channels;      // true count; the last block may be partial and must not be written past it
} ht_convolution;

// What passes write: f32; u8 codes; or the upper halves of f32, rounded to nearest even (bfloat16).
enum { HT_ELEMENT_FLOAT = 0, HT_ELEMENT_CODE, HT_ELEMENT_BFLOAT16 };

enum { HT_ACTIVATION_NONE = 0, HT_ACTIVATION_SILU, HT_ACTIVATION_GELU, HT_ACTIVATION_RELU, HT_ACTIVATION_MISH };

// Elementwise pass of one image: destination = store(activation(fma(source, scale[c], shift[c])) * factor[c]).
// A plain strided copy, the addition of a vector per channel and nearest upsampling are cases of it.
// Writes f32, bfloat16, or u8 codes q = clamp(rint(value * inverse_step) + zero_point, 0, largest_code).
typedef struct {
  const float *source;
  int64_t source_row_stride, source_pixel_stride;
  const float *scale, *shift;   // per channel; NULL stands for ones, and for zeros
  const float *factor;          // per channel; NULL stands for ones
  void *destination;            // at the first pixel to write (inside a halo buffer, past the border)
  int64_t destination_row_stride, destination_pixel_stride;
  int32_t height, width;        // of the destination
  int32_t channels;
  int32_t upsample_shift;       // 0, or 1: destination (y, x) reads source (y >> 1, x >> 1)
  int32_t activation;           // HT_ACTIVATION_…
  int32_t element;              // HT_ELEMENT_…, the destination's
  float inverse_step;
  int32_t zero_point;
  int32_t largest_code;         // 2^bits - 1, at most 255
} ht_transform;

// Per-channel reductions of one image: out[c] = sum over pixels of (x - center[c])^power, power 1 or 2 (center may be
// NULL for 0). Summed pixel by pixel in row-major order, one accumulator per channel.
typedef struct {
  const float *source;
  int64_t row_stride, pixel_stride;
  int32_t height, width, channels;
  int32_t power;
  const float *center;
  float *out;
} ht_channel_sums;

// Row-wise softmax in place over `columns` values, `rows` rows `row_stride` apart: max subtracted, own exp polynomial,
// the sum in 16 virtual lanes.
typedef struct {
  float *values;
  int64_t rows, row_stride;
  int32_t columns;
  int32_t numerators;           // 1: the powers are not divided by their sum
} ht_softmax;

// Where row-wise passes store: channels [first, first + count) of each row, times factor[c], as f32, bfloat16 or ht_transform's codes.
typedef struct {
  void *destination;            // at channel 0 of the first row
  int64_t row_stride;           // elements from row to row
  const float *factor;          // per channel; NULL stands for ones
  int32_t first, count;
  int32_t element;              // HT_ELEMENT_…, the destination's
  float inverse_step;
  int32_t zero_point;
  int32_t largest_code;
} ht_row_store;

// Layer normalisation of dense rows: fma((x - mean) / sqrt(variance + epsilon), scale[c], shift[c]), mean and variance of the
// whole row in two passes, the sums in 16 virtual lanes.
typedef struct {
  const float *source;
  const float *scale, *shift;
  int32_t rows, channels;
  float epsilon;
  ht_row_store out;
} ht_layer_norm;

// GEGLU of dense rows of 2 * channels values: x[c] * gelu(x[channels + c]).
typedef struct {
  const float *source;
  int32_t rows, channels;       // channels of the result
  ht_row_store out;
} ht_geglu;

// Means of 2x2 blocks, stride 2, of one image: ((a + b) + (c + d)) / 4. Height and width are the destination's.
typedef struct {
  const float *source;
  int64_t source_row_stride, source_pixel_stride;
  float *destination;
  int64_t destination_row_stride, destination_pixel_stride;
  int32_t height, width, channels;
} ht_average_pool;

// Simulated quantisation on a flat array: out = step * (q - zero_point) with ht_transform's q, clamped to 0...largest.
typedef struct {
  const float *source;
  float *destination;           // may be the source
  int64_t count;
  float step, inverse_step;
  int32_t zero_point, largest;
} ht_simulation;

// Packs a strided matrix w[o][i] = source[o * output_stride + i * input_stride] as 1x1 f32 weights
// [o / 32][i][32], missing outputs of the last block zero: the right operand of an attention product.
typedef struct {
  const float *source;
  int64_t output_stride, input_stride;
  int32_t output_channels, input_channels;
  float *destination;
} ht_pack;

// The same from u8 codes whose zero point is 128, as 1x1 s8 weights [column][i / 4][channel of the column][4], missing inputs
// and outputs of the last 32 zero. `start`, padded to 32, receives -left_zero_point * sum of each output's weights.
typedef struct {
  const uint8_t *source;
  int64_t output_stride, input_stride;  // one of the two is 1
  int32_t output_channels, input_channels;
  int32_t left_zero_point;
  uint8_t *destination;
  int32_t *start;
} ht_pack_codes;

// A 3x3 convolution of stride 1 by Winograd's F(4,3): tiles of 4x4 outputs, tile rows [tile_row_begin, tile_row_end).
// `planes` are 36 matrices [tiles][channels], `plane_stride` elements apart; convolve_f32 multiplies each by its weights.
// Channels are a multiple of 16.
typedef struct {
  const float *input;           // halo buffer, whole tiles long: pixel (4 y + i, 4 x + j) is row i, column j of tile (y, x)
  int64_t row_stride, pixel_stride;
  float *planes;
  int64_t plane_stride;
  int32_t tile_row_begin, tile_row_end, tile_columns;
  int32_t channels;
} ht_winograd_input;

typedef struct {
  const float *planes;
  int64_t plane_stride;
  int32_t tile_row_begin, tile_row_end, tile_columns;
  int32_t channels;
  const float *bias;
  const float *residual;        // or NULL; same strides as the output
  float *output;
  int64_t output_row_stride, output_pixel_stride;
  int32_t height, width;        // of the output; what tiles have past it is dropped
} ht_winograd_output;

// Gradients (reconstruction). Arrays are dense; a destination is added to when `accumulate` is not 0, else overwritten.

// dx = dy f'(x) for an activation f.
typedef struct {
  const float *x, *dy;
  float *dx;
  int64_t count;
  int32_t activation;           // HT_ACTIVATION_SILU …
  int32_t accumulate;
} ht_activation_gradient;

// sums[c] = sum over pixels of dy, products[c] = of dy (x - center[c]), pixel by pixel, one accumulator per channel.
typedef struct {
  const float *dy, *x, *center;
  float *sums, *products;
  int32_t pixels, channels;
} ht_channel_products;

// out = dy dy_scale[c] + x x_scale[c] + offset[c]; x, its scale and the offset may be NULL together.
typedef struct {
  const float *dy, *x;
  const float *dy_scale, *x_scale, *offset;
  float *out;
  int32_t pixels, channels;
  int32_t accumulate;
} ht_channel_blend;

// dx = p (dy - sum over the row of dy p) for softmax rows p; the sum in 16 virtual lanes.
typedef struct {
  const float *p, *dy;
  float *dx;
  int64_t rows;
  int32_t columns;
  int32_t accumulate;
} ht_softmax_gradient;

// The cotangent in front of a layer normalisation. `scale_sums` and `shift_sums` receive the affine part's gradients, summed
// row by row, or are NULL together.
typedef struct {
  const float *x, *dy, *scale;
  float *dx;                    // or NULL where nobody asks
  float *scale_sums, *shift_sums;
  int32_t rows, channels;
  float epsilon;
  int32_t accumulate;           // concerns dx
} ht_layer_norm_gradient;

// The cotangent in front of a GEGLU: rows of 2 * channels values from rows of `channels`.
typedef struct {
  const float *x, *dy;
  float *dx;
  int32_t rows, channels;
  int32_t accumulate;
} ht_geglu_gradient;

// Learned rounding of one row of a weight, w = scale (code - zero_point).
// AdaRound: code = clamp(base + h, 0, largest), base = floor(w / scale) + zero_point,
// h = clamp(1.2 sigmoid(alpha) - 0.1, 0, 1). Straight-through: code = clamp(rint(alpha), 0, largest), differentiated as
// if it were clamp(alpha, 0, largest).
typedef struct {
  const float *alpha;
  const float *base;            // AdaRound; NULL for straight-through
  float *values;                // out: w; or in: the gradient by w, out: by alpha
  int64_t count;
  float scale, zero_point, largest;
  float penalty, exponent;      // gradients: of penalty * sum (1 - |2 h - 1|^exponent), added; 0 for none
  float *scale_gradient;        // gradients: the sum of dw (clamp(base + h) - zero_point) in 16 virtual lanes; or NULL
} ht_soft_rounding;

// One step of Adam with bias corrections folded into `rate` and `square_factor`:
// m = decay1 m + (1 - decay1) g, v = decay2 v + (1 - decay2) g^2, x -= rate m / (sqrt(v square_factor) + epsilon).
typedef struct {
  float *values, *mean, *square;
  const float *gradient;
  int64_t count;
  float decay1, decay2, rate, square_factor, epsilon;
} ht_adam;

// The compute kernels of one instruction set; fields have Swift's names. Each target of kernels fills one in Shared/Table.swift.
//
// Kernels check nothing: whoever fills the arguments has checked shapes and bounds. All of them give the same bits in every
// table: one accumulator per output, fixed order, explicit fused multiply-add, no library functions.
typedef struct {
  int32_t set;                  // the instruction set's place among all
  // Convolution, linear layer or attention product in f32; the epilogue adds bias and residual.
  void (*_Nonnull convolveF32)(const ht_convolution *_Nonnull);
  // The same on u8 codes and s8 weights, summed exactly in 32 bits, then scaled to f32.
  void (*_Nonnull convolveU8S8)(const ht_convolution *_Nonnull);
  // The same on bfloat16 inputs and weights, summed in f32, to other bits; NULL where the processor has no such products.
  void (*_Nullable convolveBF16)(const ht_convolution *_Nonnull);
  // 6x6 input tiles of a 3x3 convolution, transformed for convolveF32 to multiply.
  void (*_Nonnull winogradInput)(const ht_winograd_input *_Nonnull);
  // 4x4 output tiles from the products; the epilogue adds bias and residual.
  void (*_Nonnull winogradOutput)(const ht_winograd_output *_Nonnull);
  // Per-channel scale and shift, activation, then f32 or u8 codes; copies, per-channel addition, upsampling.
  void (*_Nonnull transform)(const ht_transform *_Nonnull);
  // Per-channel sums or centred squares over an image.
  void (*_Nonnull channelSums)(const ht_channel_sums *_Nonnull);
  // Softmax of rows in place.
  void (*_Nonnull softmaxRows)(const ht_softmax *_Nonnull);
  // Layer normalisation of rows, to f32 or u8 codes.
  void (*_Nonnull layerNorm)(const ht_layer_norm *_Nonnull);
  // Values times the GELU of their gates, to f32 or u8 codes.
  void (*_Nonnull geglu)(const ht_geglu *_Nonnull);
  // Means of 2x2 blocks.
  void (*_Nonnull averagePool)(const ht_average_pool *_Nonnull);
  // Simulated quantisation of a flat array.
  void (*_Nonnull simulate)(const ht_simulation *_Nonnull);
  // Packs a strided matrix as 1x1 f32 weights.
  void (*_Nonnull packMatrix)(const ht_pack *_Nonnull);
  // Packs a strided matrix of codes as 1x1 s8 weights.
  void (*_Nonnull packCodes)(const ht_pack_codes *_Nonnull);
  // sum = a + b over `count` values; the sum may be written over an operand.
  void (*_Nonnull add)(const float *_Nonnull a, const float *_Nonnull b, float *_Nonnull sum, long count);
  // out = fma(x, scale, offset) over `count` values; may be in place.
  void (*_Nonnull affine)(const float *_Nonnull x, float scale, float offset, float *_Nonnull out, long count);

  // Gradients, for reconstruction

  // dx = dy f'(x) for an activation f.
  void (*_Nonnull activationGradient)(const ht_activation_gradient *_Nonnull);
  // Per-channel sums of a cotangent, and of its product with centred values.
  void (*_Nonnull channelProducts)(const ht_channel_products *_Nonnull);
  // A cotangent scaled per channel plus values scaled per channel.
  void (*_Nonnull channelBlend)(const ht_channel_blend *_Nonnull);
  // The cotangent in front of a softmax.
  void (*_Nonnull softmaxGradient)(const ht_softmax_gradient *_Nonnull);
  // The cotangent in front of a layer normalisation, and its affine part's gradients.
  void (*_Nonnull layerNormGradient)(const ht_layer_norm_gradient *_Nonnull);
  // The cotangent in front of a GEGLU.
  void (*_Nonnull gegluGradient)(const ht_geglu_gradient *_Nonnull);
  // out = fma(x, scale, out) over `count` values.
  void (*_Nonnull addScaled)(const float *_Nonnull x, float scale, float *_Nonnull out, long count);

  // Weights of learned rounding variables.
  void (*_Nonnull softWeights)(const ht_soft_rounding *_Nonnull);
  // Gradients by weights turned into those by learned rounding variables.
  void (*_Nonnull softGradient)(const ht_soft_rounding *_Nonnull);
  // One step of the Adam optimiser.
  void (*_Nonnull adam)(const ht_adam *_Nonnull);
} ht_kernels __attribute__((swift_attr("@Sendable")));

// Kernel features of the processor and its operating system.
int ht_has_avx2(void);        // AVX2, FMA and the rest of x86-64-v3
int ht_has_avxvnni(void);     // AVX-VNNI on top of it
int ht_has_avx512vnni(void);  // AVX-512 F, CD, BW, DQ, VL and VNNI on top of it
int ht_has_avx512bf16(void);  // AVX512-BF16 on top of that
int ht_has_amx(void);         // AMX for bytes and bfloat16 on top of that, granted to this process by its system
// Processors this process may run on, at least 1.
int ht_processor_count(void);
