#include "CJPEG.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
// After jpeglib.h, which it needs.
#include <jerror.h>

typedef struct {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf start;
  int status;
  char *message;
} decoder;

static void fail(j_common_ptr jpeg) {
  decoder *self = jpeg->client_data;
  char text[JMSG_LENGTH_MAX];
  jpeg->err->format_message(jpeg, text);
  strncpy(self->message, text, HT_JPEG_MESSAGE_SIZE - 1);
  self->message[HT_JPEG_MESSAGE_SIZE - 1] = 0;
  if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY) self->status = HT_JPEG_MEMORY;
  longjmp(self->start, 1);
}

// Level -1 is a warning: after most of them libjpeg makes pixels up.
static void warn(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  int code = jpeg->err->msg_code;
  if (code != JWRN_EXTRANEOUS_DATA && code != JWRN_JFIF_MAJOR) fail(jpeg);
}

static void say_nothing(j_common_ptr jpeg) { (void)jpeg; }

static void check_scans(j_common_ptr jpeg) {
  decoder *self = jpeg->client_data;
  if (self->jpeg.input_scan_number <= HT_JPEG_SCAN_LIMIT) return;
  snprintf(self->message, HT_JPEG_MESSAGE_SIZE, "more than %d scans", HT_JPEG_SCAN_LIMIT);
  longjmp(self->start, 1);
}

static void begin(decoder *self, const uint8_t *bytes, size_t count) {
  jpeg_create_decompress(&self->jpeg);
  self->jpeg.mem->max_memory_to_use = 512L << 20;
  self->progress.progress_monitor = check_scans;
  self->jpeg.progress = &self->progress;
  jpeg_mem_src(&self->jpeg, bytes, count);
  jpeg_read_header(&self->jpeg, TRUE);
}

static int channels(const struct jpeg_decompress_struct *jpeg) {
  switch (jpeg->jpeg_color_space) {
    case JCS_GRAYSCALE: return 1;
    case JCS_RGB: return 3;
    case JCS_YCbCr: return 3;
    default: return 0;
  }
}

static int read_header(decoder *self, const uint8_t *bytes, size_t count, ht_jpeg_header *header) {
  if (setjmp(self->start)) return self->status;
  begin(self, bytes, count);
  header->width = self->jpeg.image_width;
  header->height = self->jpeg.image_height;
  header->components = self->jpeg.num_components;
  header->channels = channels(&self->jpeg);
  return 0;
}

static int decode(decoder *self, const uint8_t *bytes, size_t count, ht_jpeg_header header, uint8_t *pixels) {
  if (setjmp(self->start)) return self->status;
  begin(self, bytes, count);
  struct jpeg_decompress_struct *jpeg = &self->jpeg;
  jpeg->out_color_space = header.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(jpeg);
  if (jpeg->output_width != header.width || jpeg->output_height != header.height ||
      jpeg->output_components != header.channels) {
    strcpy(self->message, "the decoded rows differ from what the header implies");
    return HT_JPEG_FAILED;
  }
  size_t stride = (size_t)header.width * (size_t)header.channels;
  while (jpeg->output_scanline < jpeg->output_height) {
    JSAMPROW row = pixels + jpeg->output_scanline * stride;
    jpeg_read_scanlines(jpeg, &row, 1);
  }
  jpeg_finish_decompress(jpeg);
  return 0;
}

// The functions with setjmp work on a structure of their caller, so that no local variable of theirs lives past the jump.
static void prepare(decoder *self, char *message) {
  memset(self, 0, sizeof *self);
  self->message = message;
  self->status = HT_JPEG_FAILED;
  self->jpeg.err = jpeg_std_error(&self->errors);
  self->jpeg.client_data = self;
  self->errors.error_exit = fail;
  self->errors.emit_message = warn;
  self->errors.output_message = say_nothing;
}

int ht_jpeg_read_header(const uint8_t *bytes, size_t count, ht_jpeg_header *header, char *message) {
  decoder self;
  prepare(&self, message);
  int status = read_header(&self, bytes, count, header);
  jpeg_destroy_decompress(&self.jpeg);
  return status;
}

int ht_jpeg_decode(const uint8_t *bytes, size_t count, ht_jpeg_header header, uint8_t *pixels, char *message) {
  decoder self;
  prepare(&self, message);
  int status = decode(&self, bytes, count, header, pixels);
  jpeg_destroy_decompress(&self.jpeg);
  return status;
}
