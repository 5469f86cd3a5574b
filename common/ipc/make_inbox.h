/* ipc/make_inbox.h — turns a message table into a typed dispatch table. Include it once per table, after:
 *
 *   #define IPC_INBOX_DEF "ipc/to_raftd.def"
 *   #define IPC_INBOX_NAME rd_inbox            // becomes: static const struct ipc_inbox rd_inbox
 *   #define IPC_INBOX_ON(name) rd_on_##name    // void rd_on_x(CTX *, struct ipc_link *, const struct ipc_x *),
 * declared before #include "ipc/make_inbox.h"
 *
 * A message without a handler is a compile error. */
#define IPC_INBOX_CAT2(a, b) a##b
#define IPC_INBOX_CAT(a, b) IPC_INBOX_CAT2(a, b)

#define F(...)
#define IPC_MSG(NAME, name, id, from, ...)                                         \
	static void ipc_thunk_##name(void *ctx, struct ipc_link *l, const void *m) \
	{                                                                          \
		IPC_INBOX_ON(name)(ctx, l, (const struct ipc_##name *)m);          \
	}
#include IPC_INBOX_DEF
#undef IPC_MSG
#define IPC_MSG(NAME, name, id, from, ...) {(id), ipc_thunk_##name},
static const struct ipc_handler IPC_INBOX_CAT(IPC_INBOX_NAME, _handlers)[] = {
#include IPC_INBOX_DEF
};
#undef IPC_MSG
#undef F
static const struct ipc_inbox IPC_INBOX_NAME = {IPC_INBOX_CAT(IPC_INBOX_NAME, _handlers),
						sizeof(IPC_INBOX_CAT(IPC_INBOX_NAME, _handlers)) /
						    sizeof(struct ipc_handler)};
#undef IPC_INBOX_CAT
#undef IPC_INBOX_CAT2
#undef IPC_INBOX_DEF
#undef IPC_INBOX_NAME
#undef IPC_INBOX_ON
