// libjpeg's decompressor behind two calls: setjmp stays inside them, and no memory of libjpeg leaves them. Both return
// HT_JPEG_DONE, or HT_JPEG_FAILED or, where memory cannot be had, HT_JPEG_MEMORY, with the reason in `message` (NUL-terminated).
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { HT_JPEG_DONE = 0, HT_JPEG_FAILED = 1, HT_JPEG_MEMORY = 2 };

enum {
  HT_JPEG_MESSAGE_SIZE = 256,
  // Scans of a progressive image: encoders write about 10; each one costs a pass over all pixels.
  HT_JPEG_SCAN_LIMIT = 100
};

typedef struct {
  uint32_t width, height;
  // Of the stored image: 1 grey, 3 colours, 4 inks; whatever else the file says.
  int components;
  // Of the decoded image: 1 (grey) or 3 (RGB); 0 where it is neither.
  int channels;
} ht_jpeg_header;

// What the file's header says. Nothing is decoded, and no memory grows with the image.
int ht_jpeg_read_header(const uint8_t *bytes, size_t count, ht_jpeg_header *header, char *message);

// Decodes the file to 8-bit grey or RGB. `pixels` has room for height * width * channels bytes; the header must be what
// ht_jpeg_read_header says. Data that is missing or cannot be decoded is an error, not filled in; bytes that belong to no
// marker are passed over.
int ht_jpeg_decode(const uint8_t *bytes, size_t count, ht_jpeg_header header, uint8_t *pixels, char *message);
