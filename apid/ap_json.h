/* ap_json.h — append-writer for JSON replies: compact, keys in the order they are written, Go's escaping.
 *
 * Clients match on texts and shapes (json-shapes.md section 1): '<' '>' '&' and U+2028/2029 are written as \u escapes,
 * invalid UTF-8 becomes U+FFFD, 64-bit integers are written in full. No tree: the text grows in one str_buf. Pure. */
#ifndef AP_JSON_H
#define AP_JSON_H

#include "base/rec.h"
#include "base/str.h"
#include "topo/analysis.h"
#include "topo/topo.h"

#define AP_JSON_DEPTH 32

/* Zero-initialise with .out set. */
struct ap_json {
	struct str_buf *out;
	int depth;
	uint64_t has_items; /* bit per depth: a comma is due */
	bool after_key;
};

void ap_json_object(struct ap_json *j);
void ap_json_object_end(struct ap_json *j);
void ap_json_array(struct ap_json *j);
void ap_json_array_end(struct ap_json *j);
void ap_json_key(struct ap_json *j, const char *key);

void ap_json_text(struct ap_json *j, const char *s);
void ap_json_i64(struct ap_json *j, int64_t v);
void ap_json_u64(struct ap_json *j, uint64_t v);
void ap_json_f64(struct ap_json *j, double v); /* as Go: shortest text that reads back equal; no NaN or infinity */
void ap_json_bool(struct ap_json *j, bool v);
void ap_json_null(struct ap_json *j);
void ap_json_empty_object(struct ap_json *j);
/* Key and value in one. */
void ap_json_member_text(struct ap_json *j, const char *key, const char *s);
void ap_json_member_i64(struct ap_json *j, const char *key, int64_t v);
void ap_json_member_bool(struct ap_json *j, const char *key, bool v);
/* Already valid JSON. */
void ap_json_raw(struct ap_json *j, const char *text, size_t n);

/* The record's fields that have a JSON name, in table order; lists of rec_text become arrays of strings. */
void ap_json_record(struct ap_json *j, const struct rec_desc *d, const void *rec);
void ap_json_keys(struct ap_json *j, const struct topo_key_list *keys);
/* All 102 keys of json-shapes.md section 2, legacy twins included. */
void ap_json_instance(struct ap_json *j, const struct topo_instance *inst);
/* All 57 keys of json-shapes.md section 4. */
void ap_json_analysis(struct ap_json *j, const struct topo_analysis *a);
void ap_json_analysis_members(struct ap_json *j, const struct topo_analysis *a); /* of an object that is open */

#endif
