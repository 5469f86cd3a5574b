/* fake_client.c — the clients of fake_node.h: plain sockets, driven from the same loop as the server. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake_node.h"

void
fake_client_open(struct fake_node *n, struct fake_client *c, const char *socket_path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	*c = (struct fake_client){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	ASSERT(c->fd >= 0 && str_copy(sa.sun_path, sizeof(sa.sun_path), socket_path));
	if (connect(c->fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0) {
		fprintf(stderr, "fake_node: connect %s: %s\n", socket_path, strerror(errno));
		abort();
	}
	ASSERT(fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0);
	fake_turn(n);
}

void
fake_client_close(struct fake_client *c)
{
	(void)close(c->fd);
	str_buf_done(&c->in);
}

static void
receive(struct fake_client *c)
{
	char chunk[65536];
	ssize_t got;

	while ((got = recv(c->fd, chunk, sizeof(chunk), 0)) > 0)
		str_buf_add_n(&c->in, chunk, (size_t)got);
	c->eof = c->eof || got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

struct sending {
	struct fake_client *c;
	const char *p;
	size_t left;
};

static bool
all_is_sent(struct fake_node *n UNUSED, void *ctx)
{
	struct sending *s = ctx;
	ssize_t done = send(s->c->fd, s->p, s->left, MSG_NOSIGNAL);

	if (done < 0 && errno != EAGAIN)
		return true; /* the server has closed: the reader sees why */
	if (done > 0) {
		s->p += done;
		s->left -= (size_t)done;
	}
	return s->left == 0;
}

void
fake_client_send(struct fake_node *n, struct fake_client *c, const char *bytes)
{
	struct sending s = {c, bytes, strlen(bytes)};

	fake_wait(n, "sending", all_is_sent, &s);
}

static bool
has_ended(struct fake_node *n UNUSED, void *ctx)
{
	struct fake_client *c = ctx;

	receive(c);
	return c->eof;
}

void
fake_client_drain(struct fake_node *n, struct fake_client *c)
{
	fake_wait(n, "the end of the connection", has_ended, c);
}

struct expectation {
	struct fake_client *c;
	const char *text;
	int count;
};

static bool
has_come(struct fake_node *n UNUSED, void *ctx)
{
	struct expectation *x = ctx;
	int count = 0;

	receive(x->c);
	for (const char *p = str_buf_text(&x->c->in); (p = strstr(p, x->text)) != NULL; p += strlen(x->text))
		count++;
	return count >= x->count;
}

void
fake_client_expect(struct fake_node *n, struct fake_client *c, const char *text, int count)
{
	struct expectation x = {c, text, count};

	fake_wait(n, text, has_come, &x);
}

struct fake_answer
fake_request(struct fake_node *n, const char *request)
{
	struct fake_answer a = {0};
	struct fake_client c;
	struct str_buf text = {0};
	char *blank;

	str_buf_printf(&text, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", request);
	fake_client_open(n, &c, n->client);
	fake_client_send(n, &c, str_buf_text(&text));
	fake_client_drain(n, &c);
	str_buf_done(&text);
	a.head = str_buf_take(&c.in);
	blank = strstr(a.head, "\r\n\r\n");
	if (blank == NULL || sscanf(a.head, "HTTP/1.1 %d ", &a.status) != 1) {
		fprintf(stderr, "fake_node: %s: no answer: \"%s\"\n", request, a.head);
		abort();
	}
	blank[2] = '\0';
	a.body = mem_strdup(blank + 4);
	fake_client_close(&c);
	return a;
}

void
fake_answer_done(struct fake_answer *a)
{
	free(a->head);
	free(a->body);
}
