// libpng's row interface behind two calls: setjmp stays inside them, and no memory of libpng leaves them but the one
// buffer that ht_png_encode returns. Both return HT_PNG_DONE, HT_PNG_FAILED with the reason in `message`, or HT_PNG_MEMORY with the
// bytes that could not be had in `refused`.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { HT_PNG_MESSAGE_SIZE = 128 };
enum { HT_PNG_DONE = 0, HT_PNG_FAILED = 1, HT_PNG_MEMORY = 2 };

typedef struct {
  // Set by the caller: larger pieces of memory are refused as the system refuses them.
  size_t largest_block;
  size_t refused;
  char message[HT_PNG_MESSAGE_SIZE];  // NUL-terminated
} ht_png_outcome;

// Decodes the PNG file of `count` bytes to 8 bits a sample: palettes and small depths expanded, 16 bits scaled unless
// `keep_16` (then two bytes a sample, the high one first), tRNS made an alpha channel. `pixels` has room for
// height * width * channels samples; the three must be what the file's header implies.
// Ancillary chunks other than tRNS are not looked at; every warning about what remains is an error.
int ht_png_decode(const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, int channels, int keep_16,
                  uint8_t *pixels, ht_png_outcome *outcome);

typedef struct {
  const char *key;
  const char *value;  // UTF-8; written as iTXt when it is not ASCII, else as tEXt
} ht_png_text;

// Encodes 8-bit rows of 1 (grey) or 3 (RGB) channels, with `text_count` text chunks. `*encoded` is for the caller to free.
int ht_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height, int channels, const ht_png_text *texts,
                  int text_count, uint8_t **encoded, size_t *encoded_count, ht_png_outcome *outcome);
