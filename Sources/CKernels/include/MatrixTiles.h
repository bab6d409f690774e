// The matrix registers of AMX: eight tiles of at most 16 rows of 64 bytes, of which four hold sums. One instruction multiplies a tile
// of pixels (a row each, consecutive input channels) with a tile of weights (a row for 4 bytes of input channels, 16 output
// channels beside each other) and adds 16 x 16 sums of 32 bits.
//
//                     weights 0   weights 1
//          pixels 0    sums 0      sums 1
//          pixels 1    sums 2      sums 3
#pragma once
#include "Lanes.h"

#if defined(__AMX_TILE__)
// Shapes of all tiles: `pixels` rows (1 to 16) of `bytes` input (4 to 64, a multiple of 4). Every tile becomes zero.
HT_INLINE void ht_tiles_begin(int32_t pixels, int32_t bytes) {
  struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } shapes = {.palette = 1};
  for (int sums = 0; sums < 4; sums++) {
    shapes.rows[sums] = (uint8_t)pixels;
    shapes.row_bytes[sums] = 64;
  }
  for (int one = 0; one < 2; one++) {
    shapes.rows[4 + one] = (uint8_t)pixels;
    shapes.row_bytes[4 + one] = (uint16_t)bytes;
    shapes.rows[6 + one] = (uint8_t)(bytes / 4);
    shapes.row_bytes[6 + one] = 64;
  }
  _tile_loadconfig(&shapes);
}
// Gives the registers back: the system need not save them when it switches threads.
HT_INLINE void ht_tiles_end(void) { _tile_release(); }

HT_INLINE void ht_zero_sums(void) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}
HT_INLINE void ht_load_pixels0(const void *p, int64_t pixel_bytes) { _tile_loadd(4, p, pixel_bytes); }
HT_INLINE void ht_load_pixels1(const void *p, int64_t pixel_bytes) { _tile_loadd(5, p, pixel_bytes); }
// Half of a column's 32 output channels: 64 of every 128 bytes.
HT_INLINE void ht_load_weights0(const void *p) { _tile_loadd(6, p, 128); }
HT_INLINE void ht_load_weights1(const void *p) { _tile_loadd(7, (const char *)p + 64, 128); }
// Rows of 32 sums: those of pixels 0, and of pixels 1.
HT_INLINE void ht_store_sums0(void *p) {
  _tile_stored(0, p, 128);
  _tile_stored(1, (char *)p + 64, 128);
}
HT_INLINE void ht_store_sums1(void *p) {
  _tile_stored(2, p, 128);
  _tile_stored(3, (char *)p + 64, 128);
}
#endif

// Four unsigned bytes times four signed bytes, exact.
#if defined(__AMX_INT8__)
HT_INLINE void ht_multiply_codes00(void) { _tile_dpbusd(0, 4, 6); }
HT_INLINE void ht_multiply_codes01(void) { _tile_dpbusd(1, 4, 7); }
HT_INLINE void ht_multiply_codes10(void) { _tile_dpbusd(2, 5, 6); }
HT_INLINE void ht_multiply_codes11(void) { _tile_dpbusd(3, 5, 7); }
#endif

// Two bfloat16 times two bfloat16, as the instruction rounds.
#if defined(__AMX_BF16__)
HT_INLINE void ht_multiply_bfloats00(void) { _tile_dpbf16ps(0, 4, 6); }
HT_INLINE void ht_multiply_bfloats01(void) { _tile_dpbf16ps(1, 4, 7); }
HT_INLINE void ht_multiply_bfloats10(void) { _tile_dpbf16ps(2, 5, 6); }
HT_INLINE void ht_multiply_bfloats11(void) { _tile_dpbf16ps(3, 5, 7); }
#endif
