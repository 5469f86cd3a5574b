/* codec_private.h — shared by codec.c (encode) and codec_decode.c. */
#ifndef IPC_CODEC_PRIVATE_H
#define IPC_CODEC_PRIVATE_H

#include <stddef.h>

#include "base/err.h"

#define CODEC_ENVELOPE_ITEMS 7

/* Length of the one value at p (at most n bytes), or a negative error. */
int codec_skip(const unsigned char *p, size_t n, size_t *ret_len, struct err *e) MUST_USE;

#endif
