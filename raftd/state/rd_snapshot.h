/* rd_snapshot.h — the whole replicated state as bytes, and back. Pure: no clock, no files; both ways in slices, so that
 * no turn of the loop is long. What is in a snapshot is the state's whole content: rows absent from it are absent after
 * it.
 *
 * Bytes: RD_SNAPSHOT_MAGIC, then frames of a u32 length (big endian) and a MessagePack map: a header, for each table a
 * head (its name, its number of rows) and its rows, and a trailer with state hash and checksum. These bytes outlive
 * builds: maps as in rd_command.def, unknown fields are skipped, an unknown table or a higher feature level asks for an
 * upgrade. The receiver of a snapshot has verified file and size before; here every byte is hostile all the same. */
#ifndef RD_SNAPSHOT_H
#define RD_SNAPSHOT_H

#include "ipc/codec.h"
#include "rd_state.h"

#define RD_SNAPSHOT_MAGIC "ORCSNAP\n"
#define RD_SNAPSHOT_FORMAT 1u
#define RD_SNAPSHOT_FRAME_MAX ((size_t)256 << 10)
#define RD_SNAPSHOT_SLICE ((size_t)64 << 10) /* a good budget for one turn: about 2 ms */

/* --- writing --------------------------------------------------------------------------------------------------- */
struct rd_snapshot_dump;
/* The state is borrowed and must not change until _free: apply waits meanwhile (rd_proposer_pause). */
struct rd_snapshot_dump *rd_snapshot_dump_new(const struct rd_state *s);
/* Appends frames until `budget` bytes more are in out, or all is. True: that was the end. The caller takes the bytes
 * away between the calls as it likes. */
bool rd_snapshot_dump_step(struct rd_snapshot_dump *d, size_t budget, struct codec_out *out);
void rd_snapshot_dump_free(struct rd_snapshot_dump *d); /* NULL is fine */

/* --- reading --------------------------------------------------------------------------------------------------- */
struct rd_snapshot_load;
struct rd_snapshot_load *rd_snapshot_load_new(void);
/* The next bytes, in pieces of any size: feed RD_SNAPSHOT_SLICE in one turn. ERR_UNSUPPORTED: of a newer build, upgrade;
 * ERR_INVALID, ERR_IPC_FORMAT, ERR_TOO_LARGE: not a snapshot. After an error only _free is allowed. */
int rd_snapshot_load_feed(struct rd_snapshot_load *l, const void *p, size_t n, struct err *e) MUST_USE;
/* After the last byte. *ret_state is the caller's. ERR_INVALID: something is missing or left over. */
int rd_snapshot_load_end(struct rd_snapshot_load *l, struct rd_state **ret_state, struct err *e) MUST_USE;
void rd_snapshot_load_free(struct rd_snapshot_load *l); /* NULL is fine */

/* Both at once, for small ones and tests. */
int rd_snapshot_read(const void *p, size_t n, struct rd_state **ret_state, struct err *e) MUST_USE;
void rd_snapshot_write(const struct rd_state *s, struct codec_out *out);

#endif
