/* base/newfile.h — files that outlive the process which creates them. */
#ifndef BASE_NEWFILE_H
#define BASE_NEWFILE_H

#include "base/base.h"

/* open(2) with these flags and O_CLOEXEC. A missing file is created with mode 0640, whatever the umask is. One that root
 * creates belongs to the owner and group of its directory (where that can be done): what an operator's command makes as
 * root must not shut out a service that runs as another user. -1 with errno. */
int newfile_open(const char *path, int flags);

#endif
