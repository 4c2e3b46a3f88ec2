/*
 * LeakSanitizer searches no memory that was mapped: what only the stack's own state points to would be reported as lost by every program
 * that is built with it. In such a program the runtime has these functions (sanitizer/lsan_interface.h), in others they are not there.
 */
#ifndef BASE_LEAKROOT_H
#define BASE_LEAKROOT_H

#include <stddef.h>

extern void __lsan_register_root_region(const void *p, size_t n) __attribute__((weak));
extern void __lsan_unregister_root_region(const void *p, size_t n) __attribute__((weak));

static inline void leakroot_add(const void *p, size_t n)
{
    if (__lsan_register_root_region != NULL)
        __lsan_register_root_region(p, n);
}

static inline void leakroot_remove(const void *p, size_t n)
{
    if (__lsan_unregister_root_region != NULL)
        __lsan_unregister_root_region(p, n);
}

#endif
