/* The world is kept for good, in memory that the leak checker does not search. */
#include <sanitizer/lsan_interface.h>

#include "world.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    __lsan_disable();
    world_get();
    __lsan_enable();
    return 0;
}
