/* storage.h - the block of memory under tensors; only storage.c and tensor.c see inside. */
#ifndef ENGRAM_STORAGE_H
#define ENGRAM_STORAGE_H
#include "internal.h"

struct eg_storage {
  void *data;
  size_t bytes;
  int64_t users;    /* tensors over this block; only the main thread makes and frees tensors */
  uint32_t version; /* changes made in place */
};

eg_storage *eg_storage_new(size_t bytes); /* NULL on failure */
void eg_storage_release(eg_storage *s);
void eg_tensors_count(int by);

#endif
