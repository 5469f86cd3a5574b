/* rd_semi_sync.h — what successive readings of one server say about its semi-sync replication. Pure. Facts of both families
 * (measured on MySQL 9.7 and MariaDB 10.11): commits are released in the order of the binary log, so when as many were
 * acknowledged since the former reading as waited then, all of those are through; a replica's status stays ON while its
 * receiver tries to reach a dead source, and is OFF once the receiver was stopped. */
#ifndef RD_SEMI_SYNC_H
#define RD_SEMI_SYNC_H

#include "topo/topo.h"

/* Zero-initialise. */
struct rd_semi_sync {
	int64_t since_us; /* rd_recovery_server.semi_sync_since_us, … */
	bool acks;	  /* … semi_sync_acks */
	int64_t read_us;  /* the newest reading: when it began, and what it counted */
	uint64_t waiting, acked;
	bool status;
};

/* A new reading; began_us: wall. */
void rd_semi_sync_note(struct rd_semi_sync *s, const struct topo_instance *inst, int64_t began_us);

#endif
