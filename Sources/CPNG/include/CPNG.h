// libpng's row interface behind two calls: setjmp stays inside them, and no memory of libpng leaves them but the one
// buffer that ht_png_encode returns. Both return 0, or 1 with the reason in `message` (NUL-terminated).
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { HT_PNG_MESSAGE_SIZE = 128 };

// Decodes the PNG file of `count` bytes to 8 bits a sample: palettes and small depths expanded, 16 bits scaled unless
// `keep_16` (then two bytes a sample, the high one first), tRNS made an alpha channel. `pixels` has room for
// height * width * channels samples; the three must be what the file's header implies.
// Ancillary chunks other than tRNS are not looked at; every warning about what remains is an error.
int ht_png_decode(const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, int channels, int keep_16,
                  uint8_t *pixels, char *message);

typedef struct {
  const char *key;
  const char *value;  // UTF-8; written as iTXt when it is not ASCII, else as tEXt
} ht_png_text;

// Encodes 8-bit rows of 1 (grey) or 3 (RGB) channels, with `text_count` text chunks. `*encoded` is for the caller to free.
int ht_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height, int channels, const ht_png_text *texts,
                  int text_count, uint8_t **encoded, size_t *encoded_count, char *message);
