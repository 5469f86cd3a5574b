/* sim_lie.c — what a simulated server tells probes that is not so, for a while: an old reading, the other read_only, positions
 * that are none, another server's identity. Steps meet it as it is. Owns the old reading. */
#include "sim_topo.h"

bool
sim_server_lies(const struct sim_server *s)
{
	return s->lies_until > sim.now;
}

void
sim_server_lie(struct sim_server *s, sim_lie_fn *lie, int64_t us)
{
	struct mem_arena arena = {0};
	struct topo_probe now;

	rec_init(&topo_probe_desc, &now);
	s->lies_until = 0;
	sim_server_read(s, &arena, &now);
	rec_done(&topo_probe_desc, &s->old);
	rec_dup(&topo_probe_desc, &s->old, &now);
	mem_arena_done(&arena);
	s->lie = lie;
	s->lies_until = sim.now + us;
}

/* What it told when it began to lie. */
void
sim_lie_old(const struct sim_server *s, struct topo_probe *p)
{
	*p = s->old; /* borrowed */
}

void
sim_lie_read_only(const struct sim_server *s UNUSED, struct topo_probe *p)
{
	p->inst.read_only = !p->inst.read_only;
}

void
sim_lie_gtid(const struct sim_server *s UNUSED, struct topo_probe *p)
{
	if (topo.mariadb)
		p->gtid_current_pos = p->gtid_binlog_pos = p->gtid_io_pos = "0-101-99999999999999999999999,,";
	else
		p->inst.executed_gtid_set = p->gtid_io_pos = "00000001-0000-0000-0000-0000000000:1-";
}

void
sim_lie_identity(const struct sim_server *s, struct topo_probe *p)
{
	p->inst.server_id = 700 + s->i;
	if (!topo.mariadb)
		p->inst.server_uuid = "77777777-0000-0000-0000-000000000000";
}
