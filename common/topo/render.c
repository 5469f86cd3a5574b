/* render.c — a cluster as an ASCII tree or table. Pure; called by the command line and the HTTP API. */
#include "topo/render.h"

#include <stdlib.h>

#include "topo/graph.h"
#include "topo/key.h"

#define CELLS (1 + TOPO_TOKENS) /* the tree text, then the tokens of the status block */

/* A line before it is aligned: one cell for the tree text; in a table a cell per token, else one for the rest. */
struct line {
	struct str_buf cells[CELLS];
};

struct drawing {
	const struct topo_render *r;
	struct topo_graph graph;
	struct line *lines; /* graph.n */
};

/* In characters: continuation bytes of UTF-8 don't count. */
static size_t
width(const struct str_buf *b)
{
	size_t w = 0;

	for (size_t i = 0; i < b->len; i++)
		w += ((unsigned char)b->p[i] & 0xc0) != 0x80;
	return w;
}

/* --- the texts of one line ------------------------------------------------------------------------------------- */
static const char *
prefix(const struct topo_instance *i)
{
	if (topo_is_group_secondary(i))
		return "‡ ";
	return topo_replica_running(i) && i->is_last_check_valid && i->is_recently_checked ? "+ " : "- ";
}

static void
write_head(struct str_buf *b, const struct topo_instance *i, unsigned depth)
{
	if (depth > 0) {
		str_buf_pad(b, ' ', 2 * ((size_t)depth - 1));
		str_buf_add(b, prefix(i));
	}
	topo_add_clean(b, TOPO_KEY_TEXT(&i->key));
	if (str_empty(i->instance_alias))
		return;
	str_buf_add(b, " (");
	topo_add_clean(b, i->instance_alias);
	str_buf_add_char(b, ')');
}

static void
write_tags(const struct topo_render *r, const struct topo_instance *i, struct str_buf *b)
{
	struct str_buf tags = {0};

	if (r->tags != NULL)
		r->tags(r->tags_ctx, &i->key, &tags);
	str_buf_add(b, " [");
	topo_add_clean(b, str_buf_text(&tags));
	str_buf_add_char(b, ']');
	str_buf_done(&tags);
}

static void
write_line(const struct topo_render *r, const struct topo_instance *i, unsigned depth, struct line *l)
{
	write_head(&l->cells[0], i, depth);
	switch (r->mode) {
	case TOPO_RENDER_TABULATED:
		for (enum topo_token t = TOPO_TOKEN_LAG; t < TOPO_TOKENS; t++)
			topo_token(i, &r->limits, t, &l->cells[1 + t]);
		break;
	case TOPO_RENDER_TAGS:
		topo_describe(i, &r->limits, &l->cells[1]);
		write_tags(r, i, &l->cells[1]);
		break;
	case TOPO_RENDER_TREE:
		topo_describe(i, &r->limits, &l->cells[1]);
		break;
	case TOPO_RENDER_BARE:
	default:
		break;
	}
}

static void
write_lines(struct drawing *d)
{
	struct topo_place *places = mem_calloc(d->graph.n, sizeof(*places));

	topo_graph_walk(&d->graph, places);
	for (size_t i = 0; i < d->graph.n; i++)
		write_line(d->r, d->graph.nodes[places[i].node].inst, places[i].depth, &d->lines[i]);
	free(places);
}

/* --- aligning -------------------------------------------------------------------------------------------------- */
static size_t
column_width(const struct drawing *d, size_t cell)
{
	size_t most = 0;

	for (size_t i = 0; i < d->graph.n; i++) {
		size_t w = width(&d->lines[i].cells[cell]);
		most = w > most ? w : most;
	}
	return most;
}

static void
join_tree(const struct drawing *d, struct str_buf *b)
{
	size_t head = column_width(d, 0);

	for (size_t i = 0; i < d->graph.n; i++) {
		const struct line *l = &d->lines[i];
		str_buf_add(b, i == 0 ? "" : "\n");
		str_buf_add(b, str_buf_text(&l->cells[0]));
		if (l->cells[1].len == 0)
			continue;
		str_buf_pad(b, ' ', head - width(&l->cells[0]) + 1);
		str_buf_add(b, str_buf_text(&l->cells[1]));
	}
}

/* Every column is padded, the last one too; the lag stands right, the others left. */
static void
join_table(const struct drawing *d, struct str_buf *b)
{
	size_t widths[CELLS];

	for (size_t c = 0; c < CELLS; c++)
		widths[c] = column_width(d, c);
	for (size_t i = 0; i < d->graph.n; i++) {
		str_buf_add(b, i == 0 ? "" : "\n");
		for (size_t c = 0; c < CELLS; c++) {
			const struct str_buf *cell = &d->lines[i].cells[c];
			size_t blanks = widths[c] - width(cell);
			bool right = c == 1 + TOPO_TOKEN_LAG;
			str_buf_add(b, c == 0 ? "" : "|");
			str_buf_pad(b, ' ', right ? blanks : 0);
			str_buf_add(b, str_buf_text(cell));
			str_buf_pad(b, ' ', right ? 0 : blanks);
		}
	}
}

void
topo_render(const struct topo_render *r, const struct topo_instance *const *insts, size_t n, struct str_buf *b)
{
	struct drawing d = {.r = r};

	topo_graph_init(&d.graph, insts, n);
	d.lines = mem_calloc(d.graph.n, sizeof(*d.lines));
	write_lines(&d);
	if (r->mode == TOPO_RENDER_TABULATED)
		join_table(&d, b);
	else
		join_tree(&d, b);
	for (size_t i = 0; i < d.graph.n; i++)
		for (size_t c = 0; c < CELLS; c++)
			str_buf_done(&d.lines[i].cells[c]);
	free(d.lines);
	topo_graph_done(&d.graph);
}
