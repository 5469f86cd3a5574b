/* ap_votes.h — who saw a server fail, as recorded with its detection: members of ours behind the historical ones of an object
 * that is open. For reader threads. */
#ifndef AP_VOTES_H
#define AP_VOTES_H

#include "ap_readers.h"
#include "db/db_tables.h"

/* Clients ask for them by the query details=true. */
bool ap_wants_details(const struct ap_request *rq);
/* "Votes": [{…}, …] */
int ap_json_votes(struct ap_json *j, struct ap_reader *r, int64_t detection_id, struct err *e) MUST_USE;
/* "DetectionId" and "Votes" of the server's active detections, the newest; 0 and none when there is none. */
int ap_json_votes_about(struct ap_json *j, struct ap_reader *r, const struct topo_key *key, struct err *e) MUST_USE;
/* "LastVote": {…} about the server, held by the leader; null when there was none. */
int ap_json_last_vote(struct ap_json *j, struct ap_reader *r, const struct topo_key *key, struct err *e) MUST_USE;
/* The members of one. */
void ap_json_vote(struct ap_json *j, const struct db_vote *v);

#endif
