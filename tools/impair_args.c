/* The command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "impair.h"

#define PPM 1000000u
#define MIN_BUFFERS 128

static const char usage[] =
    "usage: impair --a IF --b IF [options]\n"
    "Forwards frames between two interfaces and impairs them on the way.\n"
    "\n"
    "  --loss P%           lose frames\n"
    "  --delay T           delay, like 500us, 5ms, 1s\n"
    "  --jitter T          +- T at random, in order\n"
    "  --reorder P%        displace frames: they leave later than what follows them\n"
    "  --reorder-delay T   by up to T more (default: 1 ms and a quarter of the delay)\n"
    "  --dup P%            send frames twice\n"
    "  --corrupt P%        flip one bit behind the Ethernet header\n"
    "  --rate R            bits per second, like 10mbit, 1gbit\n"
    "  --queue N           frames that may wait for the rate (default 1000); more are dropped\n"
    "  --queue-bytes N     the same in bytes, like 64k\n"
    "Each of these with --ab-... or --ba-... for one direction, as in --ab-loss 1%.\n"
    "\n"
    "  --seed N            of the random decisions (default 1)\n"
    "  --seconds N         end after this time (default: at SIGINT or SIGTERM)\n"
    "  --buffers N         frames held in all (default 16384)\n"
    "  --help\n"
    "\n"
    "Statistics go to standard output at the end and on SIGUSR1. Interfaces must be up, with segmentation and checksum\n"
    "offloads off at the far ends: ethtool -K IF tso off gso off tx off. Needs CAP_NET_RAW; \"unshare -Urn\" will do.\n";

static double number(const char *name, const char *s, const char **suffix)
{
    char *end;
    double v = strtod(s, &end);

    if (end == s || !(v >= 0) || v > 1e15)
        die("--%s: found \"%s\", expected a number", name, s);
    *suffix = end;
    return v;
}

static uint32_t get_percent(const char *name, const char *s)
{
    const char *suffix;
    double v = number(name, s, &suffix);

    if ((strcmp(suffix, "%") != 0 && *suffix != '\0') || v > 100)
        die("--%s: found \"%s\", expected a percentage from 0%% to 100%%", name, s);
    return (uint32_t)(v * (PPM / 100) + 0.5);
}

struct unit {
    const char *name;
    double factor;
};

static uint64_t get_unit(const char *name, const char *s, const struct unit *u, const char *expected)
{
    const char *suffix;
    double v = number(name, s, &suffix);

    for (; u->name != NULL; u++)
        if (strcmp(suffix, u->name) == 0)
            return (uint64_t)(v * u->factor);
    die("--%s: found \"%s\", expected %s", name, s, expected);
}

static uint64_t get_time(const char *name, const char *s)
{
    static const struct unit units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {NULL, 0}};

    return get_unit(name, s, units, "a time like 500us, 5ms or 1s");
}

static uint64_t get_rate(const char *name, const char *s)
{
    static const struct unit units[] = {{"bit", 1}, {"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {NULL, 0}};

    return get_unit(name, s, units, "a rate like 10mbit or 1gbit");
}

static uint64_t get_count(const char *name, const char *s)
{
    static const struct unit units[] = {{"", 1}, {"k", 1024}, {"m", 1048576}, {NULL, 0}};

    return get_unit(name, s, units, "a whole number (k and m allowed)");
}

/* One option of a direction. false: no such option. */
static bool set_option(struct settings *s, const char *full, const char *name, const char *v)
{
    if (strcmp(name, "loss") == 0)
        s->loss_ppm = get_percent(full, v);
    else if (strcmp(name, "delay") == 0)
        s->delay_ns = get_time(full, v);
    else if (strcmp(name, "jitter") == 0)
        s->jitter_ns = get_time(full, v);
    else if (strcmp(name, "reorder") == 0)
        s->reorder_ppm = get_percent(full, v);
    else if (strcmp(name, "reorder-delay") == 0)
        s->reorder_ns = get_time(full, v);
    else if (strcmp(name, "dup") == 0)
        s->dup_ppm = get_percent(full, v);
    else if (strcmp(name, "corrupt") == 0)
        s->corrupt_ppm = get_percent(full, v);
    else if (strcmp(name, "rate") == 0)
        s->rate_bps = get_rate(full, v);
    else if (strcmp(name, "queue") == 0)
        s->queue_frames = get_count(full, v);
    else if (strcmp(name, "queue-bytes") == 0)
        s->queue_bytes = get_count(full, v);
    else
        return false;
    return true;
}

static void option(const char *name, const char *v)
{
    bool known;

    if (strcmp(name, "a") == 0) {
        opt.iface[0] = v;
    } else if (strcmp(name, "b") == 0) {
        opt.iface[1] = v;
    } else if (strcmp(name, "seed") == 0) {
        opt.seed = get_count(name, v);
    } else if (strcmp(name, "seconds") == 0) {
        const char *suffix;
        double sec = number(name, v, &suffix);

        if (*suffix != '\0' || sec <= 0 || sec > 1e6)
            die("--seconds: found \"%s\", expected a number of seconds", v);
        opt.run_ns = (uint64_t)(sec * (double)NS_PER_SEC);
    } else if (strcmp(name, "buffers") == 0) {
        uint64_t n = get_count(name, v);

        if (n < MIN_BUFFERS || n > 1u << 22)
            die("--buffers: found \"%s\", expected %d to %u", v, MIN_BUFFERS, 1u << 22);
        pool.n = (uint32_t)n;
    } else {
        if (strncmp(name, "ab-", 3) == 0)
            known = set_option(&dir[0].set, name, name + 3, v);
        else if (strncmp(name, "ba-", 3) == 0)
            known = set_option(&dir[1].set, name, name + 3, v);
        else
            known = set_option(&dir[0].set, name, name, v) && set_option(&dir[1].set, name, name, v);
        if (!known)
            die("unknown option --%s; --help lists them", name);
    }
}

void options(int argc, char **argv)
{
    pool.n = 16384;
    opt.seed = 1;
    for (int i = 0; i < 2; i++)
        dir[i].set.queue_frames = 1000;
    for (int i = 1; i < argc; i++) {
        char name[32];
        const char *eq, *v;

        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            exit(0);
        }
        if (strncmp(argv[i], "--", 2) != 0)
            die("found \"%s\", expected an option; --help lists them", argv[i]);
        eq = strchr(argv[i], '=');
        snprintf(name, sizeof(name), "%.*s", (int)(eq != NULL ? eq - argv[i] - 2 : 31), argv[i] + 2);
        v = eq != NULL ? eq + 1 : argv[++i];
        if (v == NULL)
            die("--%s: needs a value; --help lists the options", name);
        option(name, v);
    }
    if (opt.iface[0] == NULL || opt.iface[1] == NULL)
        die("--a IF and --b IF are needed; --help lists the options");
    if (strcmp(opt.iface[0], opt.iface[1]) == 0)
        die("--a and --b: found %s twice, expected two interfaces", opt.iface[0]);
}
