/* A second host behind the server's port, which only a dispatcher knows (ghost.c). */
#ifndef TESTS_E2E_GHOST_H
#define TESTS_E2E_GHOST_H

/* From here on it is there. */
void ghost_appear(void);

#endif
