/* The options that ff_init takes from an application's argv. */
#ifndef API_ARGS_H
#define API_ARGS_H

struct api_args {
    const char *conf;      /* default "config.ini" */
    const char *proc_type; /* NULL: not given */
    int proc_id;           /* -1: not given */
};

/*
 * Reads argv without changing it: --conf FILE, --conf=FILE, -c FILE, and --proc-type/-t, --proc-id/-p alike; stops
 * at "--"; anything else is the application's. 0, or -1 with one line in err[n] (an option without its value).
 */
int args_parse(int argc, char *const argv[], struct api_args *out, char *err, unsigned n);

#endif
