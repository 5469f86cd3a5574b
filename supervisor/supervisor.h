/* supervisor.h — runs the processes of one node until it is told to stop.
 *
 * Everything that decides is pure and elsewhere: restart.h (after an end), sup_life.h (order and deadlines),
 * sup_invoke.h (the command line). The supervisor opens no socket to the outside, holds no business logic and links no
 * nanomsg. Single-threaded, one libevent loop. */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include "conf/conf.h"
#include "restart.h"
#include "sup_invoke.h"
#include "sup_life.h"
#include "sup_notify.h"

struct sup_limits {
	struct sup_times times;
	struct sup_restart_policy restart;
};

/* All of it is borrowed and outlives sup_run. */
struct sup_setup {
	const struct sup_limits *limits;
	enum sup_what what;
	enum proc_mode mode;
	bool apid_alone; /* ATTACH, and help */
	const struct args *args;
	const struct rec_text_list *line; /* the words after the program's name, for the one-shot command */
	struct conf *conf;		  /* sup_run takes its own reference */
	const char *key_password;	  /* typed at the start: sup_password.h; "" = none */
	const char *runtime_dir;
	const char *program_dirs; /* where the others are; separated by colons */
	struct sup_notify_env notify;
};

/* Returns the exit code of the node. */
int sup_run(const struct sup_setup *setup);

/* The whole program: main() with the limits as an argument, so that tests can have short ones. */
int sup_main(int argc, char **argv, const struct sup_limits *limits);

#endif
