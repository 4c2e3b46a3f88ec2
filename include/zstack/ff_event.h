/*
 * kqueue events: struct kevent and its constants with the values of FreeBSD, as F-Stack applications use them. The calls
 * that take them, ff_kqueue() and ff_kevent(), are in ff_api.h. Filters that concern no socket exist only as names: ff_kevent()
 * answers EINVAL for them.
 */
#ifndef ZSTACK_FF_EVENT_H
#define ZSTACK_FF_EVENT_H

#include <stdint.h>
#include <sys/queue.h> /* F-Stack's header includes it, and applications rely on that */
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Filters. Supported: READ, WRITE, TIMER, USER. */
#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_AIO (-3)
#define EVFILT_VNODE (-4)
#define EVFILT_PROC (-5)
#define EVFILT_SIGNAL (-6)
#define EVFILT_TIMER (-7)
#define EVFILT_PROCDESC (-8)
#define EVFILT_FS (-9)
#define EVFILT_LIO (-10)
#define EVFILT_USER (-11)
#define EVFILT_SENDFILE (-12)
#define EVFILT_EMPTY (-13)
#define EVFILT_SYSCOUNT 13

struct kevent {
    uintptr_t ident;      /* READ, WRITE: a descriptor; TIMER, USER: any number */
    short filter;         /* EVFILT_ */
    unsigned short flags; /* EV_ */
    unsigned int fflags;  /* NOTE_, filter specific */
    int64_t data;         /* filter specific */
    void *udata;          /* comes back with the event */
    uint64_t ext[4];      /* come back with the event as they were when it was added */
};

#define EV_SET(kevp_, a, b, c, d, e, f)                                                                                                    \
    do {                                                                                                                                   \
        struct kevent *kevp__ = (kevp_);                                                                                                   \
        kevp__->ident = (uintptr_t)(a);                                                                                                    \
        kevp__->filter = (short)(b);                                                                                                       \
        kevp__->flags = (unsigned short)(c);                                                                                               \
        kevp__->fflags = (unsigned)(d);                                                                                                    \
        kevp__->data = (int64_t)(e);                                                                                                       \
        kevp__->udata = (f);                                                                                                               \
        kevp__->ext[0] = 0;                                                                                                                \
        kevp__->ext[1] = 0;                                                                                                                \
        kevp__->ext[2] = 0;                                                                                                                \
        kevp__->ext[3] = 0;                                                                                                                \
    } while (0)

/* Actions. */
#define EV_ADD 0x0001          /* add, and enable unless EV_DISABLE; of an existing one: change its parameters */
#define EV_DELETE 0x0002       /* remove */
#define EV_ENABLE 0x0004       /* report it again */
#define EV_DISABLE 0x0008      /* keep it, do not report it */
#define EV_FORCEONESHOT 0x0100 /* report it once now, whether or not it is due, and remove it */
#define EV_KEEPUDATA 0x0200    /* leave udata of the existing one as it is; not with EV_ADD */

/* Flags. */
#define EV_ONESHOT 0x0010  /* remove after the first report */
#define EV_CLEAR 0x0020    /* report changes of state, not the state (edge-triggered) */
#define EV_RECEIPT 0x0040  /* answer this change with an EV_ERROR event, data 0 on success */
#define EV_DISPATCH 0x0080 /* disable after a report */

#define EV_SYSFLAGS 0xF000 /* reserved by the system */
#define EV_DROP 0x1000
#define EV_FLAG1 0x2000
#define EV_FLAG2 0x4000

/* Returned. */
#define EV_EOF 0x8000   /* the peer closed (READ), nothing more can be sent (WRITE); fflags holds the socket's error */
#define EV_ERROR 0x4000 /* a change failed: data holds the errno */

/*
 * EVFILT_USER. In a change the two top bits say how the 24 low ones are applied to the stored flags; in an event they are the
 * stored flags.
 */
#define NOTE_FFNOP 0x00000000u
#define NOTE_FFAND 0x40000000u
#define NOTE_FFOR 0x80000000u
#define NOTE_FFCOPY 0xc0000000u
#define NOTE_FFCTRLMASK 0xc0000000u
#define NOTE_FFLAGSMASK 0x00ffffffu
#define NOTE_TRIGGER 0x01000000u /* make the event due */

/* EVFILT_READ, EVFILT_WRITE: due from `data` bytes on. */
#define NOTE_LOWAT 0x0001
#define NOTE_FILE_POLL 0x0002

/* EVFILT_TIMER: unit of data (milliseconds by default); ABSTIME: data is a time since the epoch. */
#define NOTE_SECONDS 0x00000001
#define NOTE_MSECONDS 0x00000002
#define NOTE_USECONDS 0x00000004
#define NOTE_NSECONDS 0x00000008
#define NOTE_ABSTIME 0x00000010

/* Of filters that are not supported: names only. */
#define NOTE_DELETE 0x0001
#define NOTE_WRITE 0x0002
#define NOTE_EXTEND 0x0004
#define NOTE_ATTRIB 0x0008
#define NOTE_LINK 0x0010
#define NOTE_RENAME 0x0020
#define NOTE_REVOKE 0x0040
#define NOTE_OPEN 0x0080
#define NOTE_CLOSE 0x0100
#define NOTE_CLOSE_WRITE 0x0200
#define NOTE_READ 0x0400
#define NOTE_EXIT 0x80000000u
#define NOTE_FORK 0x40000000u
#define NOTE_EXEC 0x20000000u
#define NOTE_PCTRLMASK 0xf0000000u
#define NOTE_PDATAMASK 0x000fffffu
#define NOTE_TRACK 0x00000001
#define NOTE_TRACKERR 0x00000002
#define NOTE_CHILD 0x00000004

#ifdef __cplusplus
}
#endif

#endif
