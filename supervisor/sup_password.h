/* sup_password.h — the password of a protected SSLPrivateKeyFile, asked at the terminal as historically: once, when the
 * service starts, before anything else runs. It stays in the supervisor's memory, for apids that are started later. */
#ifndef SUPERVISOR_SUP_PASSWORD_H
#define SUPERVISOR_SUP_PASSWORD_H

#include "conf/conf.h"

#define SUP_PASSWORD_BYTES 1024

/* HTTPS is wanted, its key is protected, and the configuration gives no password. */
bool sup_password_needed(const struct conf *conf);
/* Asks whoever sits at standard input. CONFIG when nobody does. */
int sup_password_ask(const struct conf *conf, char ret_password[SUP_PASSWORD_BYTES], struct err *e) MUST_USE;

#endif
