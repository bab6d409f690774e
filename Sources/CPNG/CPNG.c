#include "CPNG.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

// The outcome is what libpng hands back as its pointer for errors, and as the one for memory.
static void fail(png_structp png, png_const_charp text) {
  ht_png_outcome *outcome = png_get_error_ptr(png);
  strncpy(outcome->message, text, HT_PNG_MESSAGE_SIZE - 1);
  outcome->message[HT_PNG_MESSAGE_SIZE - 1] = 0;
  png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

// Memory of libpng, of zlib below it, and of what is encoded. `old` may be NULL.
static void *allocate(ht_png_outcome *outcome, void *old, size_t bytes) {
  void *memory = bytes <= outcome->largest_block ? realloc(old, bytes) : NULL;
  if (!memory) outcome->refused = bytes;
  return memory;
}

static png_voidp give(png_structp png, png_alloc_size_t bytes) { return allocate(png_get_mem_ptr(png), NULL, bytes); }

static void take_back(png_structp png, png_voidp memory) {
  (void)png;
  free(memory);
}

// The status of a call that failed.
static int status(const ht_png_outcome *outcome) { return outcome->refused ? HT_PNG_MEMORY : HT_PNG_FAILED; }

typedef struct {
  const uint8_t *bytes;
  size_t count, offset;
} source;

static void take(png_structp png, png_bytep out, size_t count) {
  source *from = png_get_io_ptr(png);
  if (count > from->count - from->offset) png_error(png, "the file ends early");
  memcpy(out, from->bytes + from->offset, count);
  from->offset += count;
}

int ht_png_decode(const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, int channels, int keep_16,
                  uint8_t *pixels, ht_png_outcome *outcome) {
  source from = {bytes, count, 0};
  // volatile: both are read after a longjmp.
  png_structp volatile png =
      png_create_read_struct_2(PNG_LIBPNG_VER_STRING, outcome, fail, ignore, outcome, give, take_back);
  png_infop volatile info = png ? png_create_info_struct(png) : NULL;
  if (!info) {
    strcpy(outcome->message, "libpng cannot start");
    png_destroy_read_struct((png_structp *)&png, NULL, NULL);
    return status(outcome);
  }
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct((png_structp *)&png, (png_infop *)&info, NULL);
    return status(outcome);
  }
  png_set_read_fn(png, &from, take);
  png_set_user_limits(png, width, height);
  png_set_chunk_cache_max(png, 16);
  png_set_chunk_malloc_max(png, 1 << 20);
  png_set_benign_errors(png, 0);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);

  png_read_info(png, info);
  int type = png_get_color_type(png, info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) < 8) png_set_expand_gray_1_2_4_to_8(png);
  if (png_get_valid(png, info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(png);
  int depth = png_get_bit_depth(png, info);
  if (depth == 16 && !keep_16) png_set_scale_16(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size_t stride = (size_t)width * (size_t)channels * (depth == 16 && keep_16 ? 2 : 1);
  if (png_get_image_width(png, info) != width || png_get_image_height(png, info) != height ||
      png_get_rowbytes(png, info) != stride)
    png_error(png, "the decoded rows differ from what the header implies");
  for (int pass = 0; pass < passes; pass++)
    for (uint32_t y = 0; y < height; y++) png_read_row(png, pixels + y * stride, NULL);
  png_read_end(png, NULL);
  png_destroy_read_struct((png_structp *)&png, (png_infop *)&info, NULL);
  return 0;
}

typedef struct {
  uint8_t *bytes;
  size_t count, capacity;
} sink;

static void put(png_structp png, png_bytep bytes, size_t count) {
  sink *to = png_get_io_ptr(png);
  if (count > to->capacity - to->count) {
    size_t capacity = 2 * to->capacity + count;
    uint8_t *grown = allocate(png_get_mem_ptr(png), to->bytes, capacity);
    if (!grown) png_error(png, "out of memory");
    to->bytes = grown;
    to->capacity = capacity;
  }
  memcpy(to->bytes + to->count, bytes, count);
  to->count += count;
}

static void flush(png_structp png) { (void)png; }

static int is_ascii(const char *text) {
  for (; *text; text++)
    if ((unsigned char)*text >= 0x80) return 0;
  return 1;
}

int ht_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height, int channels, const ht_png_text *texts,
                  int text_count, uint8_t **encoded, size_t *encoded_count, ht_png_outcome *outcome) {
  sink to = {NULL, 0, 0};
  png_structp volatile png =
      png_create_write_struct_2(PNG_LIBPNG_VER_STRING, outcome, fail, ignore, outcome, give, take_back);
  png_infop volatile info = png ? png_create_info_struct(png) : NULL;
  size_t room = ((size_t)text_count + 1) * sizeof(png_text);
  png_textp volatile entries = allocate(outcome, NULL, room);
  if (!info || !entries) {
    strcpy(outcome->message, "libpng cannot start");
    png_destroy_write_struct((png_structp *)&png, (png_infop *)&info);
    free(entries);
    return status(outcome);
  }
  memset(entries, 0, room);
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_write_struct((png_structp *)&png, (png_infop *)&info);
    free(entries);
    free(to.bytes);
    return status(outcome);
  }
  png_set_write_fn(png, &to, put, flush);
  png_set_IHDR(png, info, width, height, 8, channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
  for (int i = 0; i < text_count; i++) {
    int ascii = is_ascii(texts[i].value);
    entries[i].compression = ascii ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    entries[i].key = (png_charp)texts[i].key;
    entries[i].text = (png_charp)texts[i].value;
    entries[i].text_length = ascii ? strlen(texts[i].value) : 0;
    entries[i].itxt_length = ascii ? 0 : strlen(texts[i].value);
    entries[i].lang = "";
    entries[i].lang_key = "";
  }
  if (text_count > 0) png_set_text(png, info, entries, text_count);
  png_write_info(png, info);
  for (uint32_t y = 0; y < height; y++) png_write_row(png, pixels + (size_t)y * width * (size_t)channels);
  png_write_end(png, NULL);
  png_destroy_write_struct((png_structp *)&png, (png_infop *)&info);
  free(entries);
  *encoded = to.bytes;
  *encoded_count = to.count;
  return 0;
}
