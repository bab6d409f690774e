// libhdf5, and the few of its macros and versioned calls that Swift cannot import.
#pragma once
// The 1.8 forms of versioned calls exist in every later version.
#define H5_USE_18_API
#include <hdf5.h>
#include <stdio.h>
#include <string.h>

enum { HT_H5_HARD_LINK, HT_H5_SOFT_LINK, HT_H5_EXTERNAL_LINK, HT_H5_OTHER_LINK };
enum { HT_H5_GROUP, HT_H5_DATASET, HT_H5_OTHER_OBJECT };
enum { HT_H5_FILE_ACCESS, HT_H5_DATASET_CREATE, HT_H5_LINK_CREATE };
enum { HT_H5_FLOAT, HT_H5_SIGNED, HT_H5_UNSIGNED };

// The kind of the link at `index` (by name) of `group`, or -1.
static inline int ht_h5_link_kind(hid_t group, hsize_t index) {
  H5L_info_t info;
  if (H5Lget_info_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, index, &info, H5P_DEFAULT) < 0) return -1;
  switch (info.type) {
    case H5L_TYPE_HARD: return HT_H5_HARD_LINK;
    case H5L_TYPE_SOFT: return HT_H5_SOFT_LINK;
    case H5L_TYPE_EXTERNAL: return HT_H5_EXTERNAL_LINK;
    default: return HT_H5_OTHER_LINK;
  }
}

// The name of that link, cut to `size` - 1 bytes; its full length, or -1.
static inline ssize_t ht_h5_link_name(hid_t group, hsize_t index, char *name, size_t size) {
  return H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, index, name, size, H5P_DEFAULT);
}

// The kind and the address of the object that the hard link `name` leads to; -1 on failure.
static inline int ht_h5_object(hid_t parent, const char *name, int *kind, uint64_t *address) {
  H5O_info_t info;
  if (H5Oget_info_by_name(parent, name, &info, H5P_DEFAULT) < 0) return -1;
  *kind = info.type == H5O_TYPE_GROUP ? HT_H5_GROUP : info.type == H5O_TYPE_DATASET ? HT_H5_DATASET : HT_H5_OTHER_OBJECT;
  *address = (uint64_t)info.addr;
  return 0;
}

static inline hid_t ht_h5_properties(int kind) {
  switch (kind) {
    case HT_H5_FILE_ACCESS: return H5Pcreate(H5P_FILE_ACCESS);
    case HT_H5_DATASET_CREATE: return H5Pcreate(H5P_DATASET_CREATE);
    default: return H5Pcreate(H5P_LINK_CREATE);
  }
}

// The standard type of that kind and size in bytes; not to be closed; -1 if there is none.
static inline hid_t ht_h5_standard_type(int kind, int size, int big_endian) {
  if (kind == HT_H5_FLOAT) {
    if (size == 4) return big_endian ? H5T_IEEE_F32BE : H5T_IEEE_F32LE;
    if (size == 8) return big_endian ? H5T_IEEE_F64BE : H5T_IEEE_F64LE;
    return -1;
  }
  int is_signed = kind == HT_H5_SIGNED;
  switch (size) {
    case 1: return is_signed ? (big_endian ? H5T_STD_I8BE : H5T_STD_I8LE) : (big_endian ? H5T_STD_U8BE : H5T_STD_U8LE);
    case 2: return is_signed ? (big_endian ? H5T_STD_I16BE : H5T_STD_I16LE) : (big_endian ? H5T_STD_U16BE : H5T_STD_U16LE);
    case 4: return is_signed ? (big_endian ? H5T_STD_I32BE : H5T_STD_I32LE) : (big_endian ? H5T_STD_U32BE : H5T_STD_U32LE);
    case 8: return is_signed ? (big_endian ? H5T_STD_I64BE : H5T_STD_I64LE) : (big_endian ? H5T_STD_U64BE : H5T_STD_U64LE);
    default: return -1;
  }
}

// A UTF-8 string type of fixed length, for the caller to close.
static inline hid_t ht_h5_string_type(size_t size) {
  hid_t type = H5Tcopy(H5T_C_S1);
  if (type < 0 || H5Tset_size(type, size) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0 ||
      H5Tset_strpad(type, H5T_STR_NULLPAD) < 0)
    return -1;
  return type;
}

// No printing of errors, no plug-ins from any path. No exit handler either: after a failed write it would try the write
// again and crash; every file is closed before the process ends.
static inline void ht_h5_prepare(void) {
  H5dont_atexit();
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  H5PLset_loading_state(0);
}

static inline herr_t ht_h5_first_error(unsigned n, const H5E_error2_t *error, void *text) {
  if (n == 0) snprintf((char *)text, 256, "%s", error->desc ? error->desc : "unknown");
  return 0;
}

// What the library says went wrong, at the innermost place; at most 255 bytes. Clears it.
static inline void ht_h5_error(char *text) {
  strcpy(text, "no reason given");
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, ht_h5_first_error, text);
  H5Eclear2(H5E_DEFAULT);
}
