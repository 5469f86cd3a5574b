/* rd_snapshot_private.h — the records of a snapshot that are no rows, for rd_snapshot_dump.c and rd_snapshot_load.c. The
 * order of frames: header; per table its head and its rows; trailer. */
#ifndef RD_SNAPSHOT_PRIVATE_H
#define RD_SNAPSHOT_PRIVATE_H

#include "base/rec.h"
#include "rd_snapshot.h"

#define RD_SNAPSHOT_MAGIC_BYTES (sizeof(RD_SNAPSHOT_MAGIC) - 1)

/* Field names are in the bytes: append only. */
#define RD_SNAP_HEADER_FIELDS(F)                                            \
	F(U64, format, _, 0)                                                \
	F(U64, feature_level, _, 0, .doc = "that a reader must understand") \
	F(STR, cluster_id, _, 64)                                           \
	F(U64, index, _, 0)                                                 \
	F(U64, term, _, 0)                                                  \
	F(I64, time_us, _, 0)                                               \
	F(U64, tables, _, 0, .doc = "that follow: one without rows is left out")
REC_DECLARE(rd_snap_header, RD_SNAP_HEADER_FIELDS);

#define RD_SNAP_TABLE_FIELDS(F) \
	F(STR, table, _, 64)    \
	F(U64, rows, _, 0)
REC_DECLARE(rd_snap_table, RD_SNAP_TABLE_FIELDS);

#define RD_SNAP_TRAILER_FIELDS(F)                  \
	F(U64, rows, _, 0, .doc = "of all tables") \
	F(U64, state_hash, _, 0)                   \
	F(U64, checksum, _, 0, .doc = "fnv1a of all bytes before this frame")
REC_DECLARE(rd_snap_trailer, RD_SNAP_TRAILER_FIELDS);

#endif
