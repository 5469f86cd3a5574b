/* version.c — version numbers and flavours of database servers. Pure; called by prober, model and views. */
#include "topo/version.h"

#include <string.h>

#define NUMBERS 4
#define NUMBER_MAX 1000000u /* larger ones compare equal: no server has them */

struct numbers {
	unsigned v[NUMBERS];
	bool known;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *
read_number(const char *s, unsigned *ret)
{
	unsigned v = 0;

	for (; is_digit(*s); s++)
		v = v > NUMBER_MAX / 10 ? NUMBER_MAX : v * 10 + (unsigned)(*s - '0');
	*ret = v;
	return s;
}

static struct numbers
read_version(const char *s)
{
	struct numbers r = {.known = is_digit(s[0])};

	for (int i = 0; i < NUMBERS && is_digit(*s); i++) {
		s = read_number(s, &r.v[i]);
		if (*s == '.')
			s++;
		else
			break;
	}
	return r;
}

static int
cmp_numbers(const char *a, const char *b, int count)
{
	struct numbers x = read_version(a), y = read_version(b);

	if (x.known != y.known)
		return x.known - y.known;
	for (int i = 0; i < count; i++)
		if (x.v[i] != y.v[i])
			return x.v[i] < y.v[i] ? -1 : 1;
	return 0;
}

int
topo_version_cmp(const char *a, const char *b)
{
	return cmp_numbers(a, b, NUMBERS);
}

int
topo_version_cmp_major(const char *a, const char *b)
{
	return cmp_numbers(a, b, 2);
}

bool
topo_version_known(const char *version)
{
	return read_version(version).known;
}

bool
topo_version_at_least(const char *version, unsigned major, unsigned minor, unsigned patch)
{
	struct numbers r = read_version(version);

	if (!r.known)
		return false;
	if (r.v[0] != major)
		return r.v[0] > major;
	if (r.v[1] != minor)
		return r.v[1] > minor;
	return r.v[2] >= patch;
}

void
topo_version_major(const char *version, char ret[TOPO_MAJOR_BYTES])
{
	size_t first = strcspn(version, ".");
	size_t n;

	if (version[first] == '\0') {
		memcpy(ret, "0.0", sizeof("0.0"));
		return;
	}
	n = first + 1 + strcspn(version + first + 1, ".");
	n = min_size(n, TOPO_MAJOR_BYTES - 1);
	memcpy(ret, version, n);
	ret[n] = '\0';
}

bool
topo_is_mariadb(const char *version)
{
	return strstr(version, "MariaDB") != NULL;
}

bool
topo_is_percona(const char *version_comment)
{
	return strstr(version_comment, "Percona") != NULL;
}

bool
topo_is_maxscale(const char *version)
{
	return strstr(version, "maxscale") != NULL;
}

bool
topo_is_ndb(const char *version)
{
	return strstr(version, "-ndb-") != NULL;
}

bool
topo_is_oracle_mysql(const char *version, const char *version_comment)
{
	return !topo_is_mariadb(version) && !topo_is_percona(version_comment) && !topo_is_maxscale(version);
}

const char *
topo_flavor_name(const char *version, const char *version_comment)
{
	if (topo_is_oracle_mysql(version, version_comment))
		return "MySQL";
	if (topo_is_mariadb(version))
		return "MariaDB";
	return topo_is_percona(version_comment) ? "Percona" : "MaxScale";
}
