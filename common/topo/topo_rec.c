/* topo_rec.c — the descriptions behind topo.h and analysis.h, made from the .def files. Owns constants only. */
#include "topo/analysis.h"
#include "topo/topo.h"

#define REC_SELF struct topo_key
REC_DEFINE(topo_key, TOPO_KEY_FIELDS);
#undef REC_SELF

#define REC_SELF struct topo_coord
REC_DEFINE(topo_coord, TOPO_COORD_FIELDS);
#undef REC_SELF

#define REC_SELF struct topo_peer
REC_DEFINE(topo_peer, TOPO_PEER_FIELDS);
#undef REC_SELF

#define REC_SELF struct topo_instance
static const struct rec_field topo_instance_fields[] = {
#define F REC_FIELD
#define TWIN(json_, fname)
#include "topo/instance.def"
#undef TWIN
#undef F
};
#undef REC_SELF
const struct rec_desc topo_instance_desc = {"topo_instance", sizeof(struct topo_instance), topo_instance_fields,
					    ARRAY_LEN(topo_instance_fields)};

#define REC_SELF struct topo_probe
static const struct rec_field topo_probe_fields[] = {
#define F REC_FIELD
#include "topo/probe.def"
#undef F
};
#undef REC_SELF
const struct rec_desc topo_probe_desc = {"topo_probe", sizeof(struct topo_probe), topo_probe_fields,
					 ARRAY_LEN(topo_probe_fields)};

#define REC_SELF struct topo_cluster_details
REC_DEFINE(topo_cluster_details, TOPO_CLUSTER_DETAILS_FIELDS);
#undef REC_SELF

#define REC_SELF struct topo_analysis
static const struct rec_field topo_analysis_fields[] = {
#define F REC_FIELD
#include "topo/analysis.def"
#undef F
};
#undef REC_SELF
const struct rec_desc topo_analysis_desc = {"topo_analysis", sizeof(struct topo_analysis), topo_analysis_fields,
					    ARRAY_LEN(topo_analysis_fields)};

/* Index of each field in instance.def, so that a twin can point at its field. */
enum topo_instance_index {
#define F(kind, fname, sub, max, ...) TOPO_FIELD_##fname,
#define TWIN(json_, fname)
#include "topo/instance.def"
#undef TWIN
#undef F
	TOPO_FIELD_COUNT
};

const struct topo_json_key *
topo_instance_json(size_t *ret_n)
{
	static const struct topo_json_key keys[] = {
#define F(kind, fname, sub, max, ...) {NULL, &topo_instance_fields[TOPO_FIELD_##fname]},
#define TWIN(json_, fname) {json_, &topo_instance_fields[TOPO_FIELD_##fname]},
#include "topo/instance.def"
#undef TWIN
#undef F
	};

	*ret_n = ARRAY_LEN(keys);
	return keys;
}

const char *
topo_evidence_text(uint64_t evidence)
{
	static const char *const texts[] = {
#define EVIDENCE(name, text) [TOPO_EVIDENCE_##name] = (text),
#include "topo/evidence.def"
#undef EVIDENCE
	};

	return evidence < ARRAY_LEN(texts) ? texts[evidence] : "unknown";
}
