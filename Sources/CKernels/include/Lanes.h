// The vector operations that Swift's SIMD types lack or compile badly, one instruction or a few each. Every function is
// static and always inlined, so code compiled for one instruction set never reaches another's callers.
//
// Results are the same bits on every instruction set: fused multiply-add is explicit, minimum and maximum have the x86
// rule (the second operand when either is NaN), roundings are to nearest even.
#pragma once
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define HT_INLINE static inline __attribute__((always_inline, unused))

typedef float ht_floats8 __attribute__((ext_vector_type(8)));
typedef float ht_floats16 __attribute__((ext_vector_type(16)));
typedef int32_t ht_ints8 __attribute__((ext_vector_type(8)));
typedef int32_t ht_ints16 __attribute__((ext_vector_type(16)));
typedef uint16_t ht_halves16 __attribute__((ext_vector_type(16)));
typedef uint8_t ht_bytes16 __attribute__((ext_vector_type(16)));

// Loads and stores at any alignment -----------------------------------------------------------------------------------

HT_INLINE ht_floats8 ht_load8(const float *p) { ht_floats8 v; memcpy(&v, p, sizeof v); return v; }
HT_INLINE ht_floats16 ht_load16(const float *p) { ht_floats16 v; memcpy(&v, p, sizeof v); return v; }
HT_INLINE ht_ints8 ht_load_ints8(const void *p) { ht_ints8 v; memcpy(&v, p, sizeof v); return v; }
HT_INLINE ht_ints16 ht_load_ints16(const void *p) { ht_ints16 v; memcpy(&v, p, sizeof v); return v; }
HT_INLINE void ht_store8(float *p, ht_floats8 v) { memcpy(p, &v, sizeof v); }
HT_INLINE void ht_store16(float *p, ht_floats16 v) { memcpy(p, &v, sizeof v); }

// The first `count` lanes (0 to all); the others load as zero and are not stored.
HT_INLINE ht_floats8 ht_load_first8(const float *p, int64_t count) {
  ht_floats8 v = 0;
  memcpy(&v, p, (size_t)count * sizeof(float));
  return v;
}
HT_INLINE ht_floats16 ht_load_first16(const float *p, int64_t count) {
#if defined(__AVX512F__)
  return (ht_floats16)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
#else
  ht_floats16 v = 0;
  memcpy(&v, p, (size_t)count * sizeof(float));
  return v;
#endif
}
HT_INLINE void ht_store_first8(float *p, ht_floats8 v, int64_t count) { memcpy(p, &v, (size_t)count * sizeof(float)); }
HT_INLINE void ht_store_first16(float *p, ht_floats16 v, int64_t count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v);
#else
  memcpy(p, &v, (size_t)count * sizeof(float));
#endif
}

// The low byte of each lane.
HT_INLINE void ht_store_bytes16(uint8_t *p, ht_ints16 v) {
  ht_bytes16 b = __builtin_convertvector(v, ht_bytes16);
  memcpy(p, &b, sizeof b);
}
HT_INLINE void ht_store_first_bytes16(uint8_t *p, ht_ints16 v, int64_t count) {
  ht_bytes16 b = __builtin_convertvector(v, ht_bytes16);
  memcpy(p, &b, (size_t)count);
}

// The first `count` values rounded to bfloat16, to nearest even; NaN stays NaN.
HT_INLINE void ht_store_first_bfloats16(uint16_t *p, ht_floats16 v, int64_t count) {
  ht_ints16 bits = (ht_ints16)v;
  ht_ints16 rounded = bits + 0x7fff + ((bits >> 16) & 1);
  ht_halves16 h = __builtin_convertvector((v == v ? rounded : (ht_ints16)0x7fc00000) >> 16, ht_halves16);
  memcpy(p, &h, (size_t)count * sizeof(uint16_t));
}

// Byte j of lane i is p_j[i] with its highest bit flipped: codes with zero point 128 as signed bytes.
HT_INLINE ht_ints16 ht_interleave_codes16(const uint8_t *p0, const uint8_t *p1, const uint8_t *p2, const uint8_t *p3) {
  ht_bytes16 b0, b1, b2, b3;
  memcpy(&b0, p0, sizeof b0);
  memcpy(&b1, p1, sizeof b1);
  memcpy(&b2, p2, sizeof b2);
  memcpy(&b3, p3, sizeof b3);
  ht_ints16 v = __builtin_convertvector(b0, ht_ints16) | __builtin_convertvector(b1, ht_ints16) << 8
    | __builtin_convertvector(b2, ht_ints16) << 16 | __builtin_convertvector(b3, ht_ints16) << 24;
  return v ^ (ht_ints16)(int32_t)0x80808080;
}
HT_INLINE void ht_store_ints16(void *p, ht_ints16 v) { memcpy(p, &v, sizeof v); }

// Arithmetic ----------------------------------------------------------------------------------------------------------

// a * b + c with one rounding; without an FMA unit this is the C library's exact fmaf, lane by lane.
HT_INLINE ht_floats8 ht_fma8(ht_floats8 a, ht_floats8 b, ht_floats8 c) { return __builtin_elementwise_fma(a, b, c); }
HT_INLINE ht_floats16 ht_fma16(ht_floats16 a, ht_floats16 b, ht_floats16 c) {
  return __builtin_elementwise_fma(a, b, c);
}
// a < b ? a : b, and a > b ? a : b: b when either is NaN.
HT_INLINE ht_floats16 ht_min16(ht_floats16 a, ht_floats16 b) { return a < b ? a : b; }
HT_INLINE ht_floats16 ht_max16(ht_floats16 a, ht_floats16 b) { return a > b ? a : b; }
// x where it is a number, zero where it is NaN.
HT_INLINE ht_floats16 ht_zero_nan16(ht_floats16 x) { return x == x ? x : (ht_floats16)0; }

HT_INLINE ht_ints16 ht_bits16(ht_floats16 x) { return (ht_ints16)x; }
HT_INLINE ht_floats8 ht_to_floats8(ht_ints8 v) { return __builtin_convertvector(v, ht_floats8); }
HT_INLINE ht_floats16 ht_to_floats16(ht_ints16 v) { return __builtin_convertvector(v, ht_floats16); }

// x * 2^n with one rounding, for |x| in [0.5, 2] and whole n in -152...130.
HT_INLINE ht_floats16 ht_scale_by_power16(ht_floats16 x, ht_floats16 n) {
#if defined(__AVX512F__)
  return (ht_floats16)_mm512_scalef_ps((__m512)x, (__m512)n);
#else
  ht_ints16 whole = (ht_ints16)(n + 0x1.8p23f) - 0x4b400000, half = whole >> 1;
  return x * (ht_floats16)((half + 127) << 23) * (ht_floats16)((whole - half + 127) << 23);
#endif
}

// Four unsigned bytes times four signed bytes, summed exactly into each 32-bit lane -----------------------------------

// `x` holds the same four unsigned bytes in every lane, `w` four signed bytes per lane.
#if defined(__AVX512VNNI__)
HT_INLINE ht_ints16 ht_dot16(ht_ints16 sum, ht_ints16 x, ht_ints16 w) {
  return (ht_ints16)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)x, (__m512i)w);
}
#endif
HT_INLINE ht_ints8 ht_dot8(ht_ints8 sum, ht_ints8 x, ht_ints8 w) {
#if defined(__AVXVNNI__)
  return (ht_ints8)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)x, (__m256i)w);
#elif defined(__AVX512VNNI__) && defined(__AVX512VL__)
  return (ht_ints8)_mm256_dpbusd_epi32((__m256i)sum, (__m256i)x, (__m256i)w);
#elif defined(__AVX2__)
  // Even and odd bytes widened to 16 bits, then pair sums in 32 bits. (vpmaddubsw would saturate at 16 bits.)
  __m256i xe = _mm256_and_si256((__m256i)x, _mm256_set1_epi16(0xff)), xo = _mm256_srli_epi16((__m256i)x, 8);
  __m256i we = _mm256_srai_epi16(_mm256_slli_epi16((__m256i)w, 8), 8), wo = _mm256_srai_epi16((__m256i)w, 8);
  return sum + (ht_ints8)_mm256_madd_epi16(xe, we) + (ht_ints8)_mm256_madd_epi16(xo, wo);
#else
  for (int byte = 0; byte < 4; byte++) {
    sum += ((x >> (8 * byte)) & 255) * ((w << (24 - 8 * byte)) >> 24);
  }
  return sum;
#endif
}

#if defined(__AVX2__)
// Two 16-bit sums in each lane: of the first two products, and of the other two. They saturate, so the weights must be such
// that no sum leaves 16 bits.
HT_INLINE ht_ints8 ht_pairs8(ht_ints8 x, ht_ints8 w) {
  return (ht_ints8)_mm256_maddubs_epi16((__m256i)x, (__m256i)w);
}
// a + b in 16 bits. The empty instruction keeps the compiler from adding in another order, for which registers do not suffice.
HT_INLINE ht_ints8 ht_add_pairs8(ht_ints8 a, ht_ints8 b) {
  __m256i sum = _mm256_add_epi16((__m256i)a, (__m256i)b);
  __asm__("" : "+x"(sum));
  return (ht_ints8)sum;
}
// Ones in 16 bits, made where they are asked for: kept in a register throughout a loop they would push a sum out of it.
HT_INLINE ht_ints8 ht_ones8(void) {
  __m256i ones;
  __asm__ volatile("vpcmpeqw %0, %0, %0\n\tvpabsw %0, %0" : "=x"(ones));
  return (ht_ints8)ones;
}
// sum + both 16-bit sums of each lane; `ones` as above.
HT_INLINE ht_ints8 ht_widen_pairs8(ht_ints8 sum, ht_ints8 pairs, ht_ints8 ones) {
  return sum + (ht_ints8)_mm256_madd_epi16((__m256i)pairs, (__m256i)ones);
}
#endif

// Two bfloat16 times two bfloat16, added to each 32-bit lane as the instruction rounds: products of subnormal numbers are zero.
#if defined(__AVX512BF16__)
HT_INLINE ht_floats16 ht_dot_bfloats16(ht_floats16 sum, ht_ints16 x, ht_ints16 w) {
  return (ht_floats16)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)w);
}
#endif

// The four bytes at p as one lane's value.
HT_INLINE int32_t ht_four_bytes(const void *p) { int32_t v; memcpy(&v, p, sizeof v); return v; }

HT_INLINE void ht_prefetch(const void *p) { __builtin_prefetch(p, 0, 3); }
// Into the second-level cache. An address that is not mapped is no fault.
HT_INLINE void ht_prefetch_far(const void *p) { __builtin_prefetch(p, 0, 2); }

// What a waiting thread executes in its spin loop.
HT_INLINE void ht_pause(void) {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}
