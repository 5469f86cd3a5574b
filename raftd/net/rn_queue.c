/* rn_queue.c — frames that wait for a connection's socket, one bounded queue per channel. Called by rn_net.c (adding)
 * and rn_conn.c (pumping). Queues belong to the connection: what waits is lost with it.
 *
 * Priority: the first channel of rn_channels.def goes out while up to OUT_HIGH waits in the socket's buffer, the others
 * only when it is nearly empty; the kernel holds little that is not on its way (TCP_NOTSENT_LOWAT, rn_conn.c). So a
 * heartbeat waits for at most one piece of a snapshot. */
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "rn_private.h"

#define OUT_HIGH ((size_t)256 << 10)

int
rn_queue_add(struct rn_conn *c, int channel, const void *p, size_t n, struct err *e)
{
	const struct rn_channel_info *info = rn_channel_at((size_t)channel);
	struct rn_queue *q = &c->queues[channel];
	struct rn_queued *f;

	if (n > info->max_bytes)
		return err_set(e, ERR_TOO_LARGE, "%s: a frame of %zu bytes, at most %zu", info->name, n,
			       info->max_bytes);
	if (q->bytes + n > info->queue_bytes)
		return err_set(e, ERR_IPC_FULL, "%s: %zu bytes wait for %s", info->name, q->bytes, c->peer->name);
	f = mem_alloc(sizeof(*f) + RN_HEAD_BYTES + n);
	f->n = RN_HEAD_BYTES + n;
	rn_head_put(f->bytes, info->id, n);
	if (n > 0)
		memcpy(f->bytes + RN_HEAD_BYTES, p, n);
	STAILQ_INSERT_TAIL(&q->frames, f, next);
	q->bytes += n;
	return 0;
}

static void
on_written(const void *data UNUSED, size_t n UNUSED, void *frame)
{
	free(frame);
}

static void
give(struct rn_conn *c, struct evbuffer *out, struct rn_queue *q)
{
	struct rn_queued *f = STAILQ_FIRST(&q->frames);

	STAILQ_REMOVE_HEAD(&q->frames, next);
	q->bytes -= f->n - RN_HEAD_BYTES;
	c->net->stats.sent_frames++;
	c->net->stats.sent_bytes += f->n;
	c->sent = rn_now(c->net);
	c->room_grew = true;
	if (evbuffer_add_reference(out, f->bytes, f->n, on_written, f) != 0)
		free(f);
}

void
rn_queue_pump(struct rn_conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	for (size_t i = 0; i < RN_CHANNELS; i++) {
		size_t most = i == 0 ? OUT_HIGH : RN_OUT_LOW;
		while (!STAILQ_EMPTY(&c->queues[i].frames)) {
			if (evbuffer_get_length(out) >= most)
				return;
			give(c, out, &c->queues[i]);
		}
	}
}

size_t
rn_queue_clear(struct rn_conn *c)
{
	size_t lost = 0;

	for (size_t i = 0; i < RN_CHANNELS; i++) {
		struct rn_queued *f;
		while ((f = STAILQ_FIRST(&c->queues[i].frames)) != NULL) {
			STAILQ_REMOVE_HEAD(&c->queues[i].frames, next);
			free(f);
			lost++;
		}
		c->queues[i].bytes = 0;
	}
	return lost;
}

size_t
rn_queue_bytes(const struct rn_conn *c)
{
	size_t n = c->bev == NULL ? 0 : evbuffer_get_length(bufferevent_get_output(c->bev));

	for (size_t i = 0; i < RN_CHANNELS; i++)
		n += c->queues[i].bytes;
	return n;
}
