/* topo/key.h — instance keys: texts, order, detaching, lists. Rules: reference/probing.md section 1. Pure.
 *
 * A key that a function here fills (ret_key, ret_list) owns its strings: free it with topo_key_done /
 * topo_key_list_done. Keys passed in are only read. Hostnames come from operators and servers: bounded by TOPO_HOST_MAX
 * everywhere. */
#ifndef TOPO_KEY_H
#define TOPO_KEY_H

#include "base/str.h"
#include "topo/topo.h"

#define TOPO_PORT_MAX 65535

/* --- texts ------------------------------------------------------------------------------------------------------ */
/* "host:port" always; IPv6 without brackets, as historically. A struct, so that it can be used inside an expression. */
#define TOPO_KEY_TEXT_BYTES (TOPO_HOST_MAX + 24)
struct topo_key_text {
	char text[TOPO_KEY_TEXT_BYTES];
};
struct topo_key_text topo_key_text(const struct topo_key *k);
#define TOPO_KEY_TEXT(k) (topo_key_text(k).text)

/* Tried in this order: host:port, host, [v6]:port, bare v6; without a port default_port is taken. Blanks around the
 * text are ignored; blanks, commas, brackets and control characters inside a host are an error, so is a port
 * outside 1..65535. ERR_INVALID names the text. *ret_key is uninitialised or rec_init-ed before, owning after. */
int topo_key_parse(const char *text, int64_t default_port, struct topo_key *ret_key, struct err *e) MUST_USE;
void topo_key_set(struct topo_key *k, const char *hostname, int64_t port); /* k owning or rec_init-ed */
void topo_key_done(struct topo_key *k);

/* --- tests ------------------------------------------------------------------------------------------------------ */
bool topo_key_valid(const struct topo_key *k); /* a host that is neither "", "_" nor detached, and a port > 0 */
bool topo_key_equal(const struct topo_key *a, const struct topo_key *b);
int topo_key_cmp(const struct topo_key *a, const struct topo_key *b); /* hostname by bytes, then port */
bool topo_host_is_ipv4(const char *hostname);			      /* looks like one: digits.digits.digits.digits */

/* --- detaching: a hostname that starts with "//" ------------------------------------------------------------------ */
bool topo_key_is_detached(const struct topo_key *k);
/* ERR_TOO_LARGE when the marked host would not fit; a detached key stays as it is. */
int topo_key_detach(const struct topo_key *k, struct topo_key *ret_key, struct err *e) MUST_USE;
void topo_key_reattach(const struct topo_key *k, struct topo_key *ret_key);

/* --- lists ------------------------------------------------------------------------------------------------------ */
void topo_key_list_done(struct topo_key_list *l); /* of an owning list */
/* Appends a copy; false when the list already holds it or TOPO_LIST_MAX items. */
bool topo_key_list_add(struct topo_key_list *l, const struct topo_key *k);
/* The same without looking whether it is there: for lists as long as a server makes them, then sort_unique. */
bool topo_key_list_append(struct topo_key_list *l, const struct topo_key *k);
bool topo_key_list_has(const struct topo_key_list *l, const struct topo_key *k);
void topo_key_list_sort(struct topo_key_list *l);
void topo_key_list_sort_unique(struct topo_key_list *l); /* of an owning list */
/* "a:1,b:2 c" — separated by commas or blanks, empty pieces ignored, order kept, doubles dropped. One bad piece fails
 * all. */
int topo_key_list_parse(const char *text, int64_t default_port, struct topo_key_list *ret_list, struct err *e) MUST_USE;
/* Appends [{"Hostname":"h","Port":1},…] sorted by key: the text of slave_hosts and replication_group_members. Escapes
 * as Go's encoder does; invalid UTF-8 becomes U+FFFD. */
void topo_key_list_write_json(const struct topo_key_list *l, struct str_buf *b);
/* Reads it back. Never fails: what is not such an array reads as the empty list, other items in it are skipped,
 * at most TOPO_LIST_MAX are taken. */
void topo_key_list_read_json(const char *json, struct topo_key_list *ret_list);

#endif
