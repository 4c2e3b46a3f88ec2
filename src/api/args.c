#include "api/args.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/poison.h"

struct opt {
    const char *name; /* with its dashes */
    char letter;
};

static const struct opt opts[] = {{"--conf", 'c'}, {"--proc-type", 't'}, {"--proc-id", 'p'}};

/*
 * The value of option o at argv[*i], or NULL when that argument is not it. A value in the next argument moves *i on. A missing
 * one sets *missing.
 */
static const char *opt_value(const struct opt *o, int argc, char *const argv[], int *i, bool *missing)
{
    const char *arg = argv[*i];
    size_t len = strlen(o->name);

    if (strncmp(arg, o->name, len) == 0 && arg[len] == '=')
        return arg + len + 1;
    if (strcmp(arg, o->name) != 0 && !(arg[0] == '-' && arg[1] == o->letter && arg[2] == '\0'))
        return NULL;
    if (*i + 1 >= argc || argv[*i + 1] == NULL) {
        *missing = true;
        return NULL;
    }
    return argv[++*i];
}

static int set(struct api_args *out, char letter, const char *value, char *err, unsigned n)
{
    char *end;
    long id;

    switch (letter) {
    case 'c':
        out->conf = value;
        return 0;
    case 't':
        out->proc_type = value;
        return 0;
    default:
        errno = 0;
        id = strtol(value, &end, 10);
        if (end == value || *end != '\0' || errno != 0 || id < 0 || id > USHRT_MAX) {
            snprintf(err, n, "--proc-id: found \"%s\", expected a number from 0 to %d", value, USHRT_MAX);
            return -1;
        }
        out->proc_id = (int)id;
        return 0;
    }
}

int args_parse(int argc, char *const argv[], struct api_args *out, char *err, unsigned n)
{
    *out = (struct api_args){.conf = "config.ini", .proc_id = -1};
    for (int i = 1; i < argc && argv[i] != NULL && strcmp(argv[i], "--") != 0; i++) {
        for (unsigned o = 0; o < sizeof(opts) / sizeof(opts[0]); o++) {
            bool missing = false;
            const char *value = opt_value(&opts[o], argc, argv, &i, &missing);

            if (missing) {
                snprintf(err, n, "%s: expected a value behind it", argv[i]);
                return -1;
            }
            if (value == NULL)
                continue;
            if (set(out, opts[o].letter, value, err, n) != 0)
                return -1;
            break;
        }
    }
    return 0;
}
