/* The known name that a misspelt one was probably meant to be. */
#include <string.h>

#include "base/units.h"
#include "core/conf_priv.h"

#include "base/poison.h"

#define NAME_MAX_BYTES 64u

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    return MIN(MIN(a, b), c);
}

unsigned conf_distance(const char *a, const char *b, unsigned limit)
{
    size_t n = strnlen(a, NAME_MAX_BYTES + 1), m = strnlen(b, NAME_MAX_BYTES + 1);
    unsigned rows[3][NAME_MAX_BYTES + 1], *before = rows[0], *last = rows[1], *row = rows[2], *spare;

    if (n > NAME_MAX_BYTES || m > NAME_MAX_BYTES || (n > m ? n - m : m - n) > limit)
        return limit + 1;
    for (unsigned j = 0; j <= m; j++)
        row[j] = j;
    for (unsigned i = 1; i <= n; i++) {
        spare = before;
        before = last;
        last = row;
        row = spare;
        row[0] = i;
        for (unsigned j = 1; j <= m; j++) {
            row[j] = least(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
    }
    return MIN(row[m], limit + 1);
}

struct nearest {
    const char *section, *name; /* section NULL: a section is looked for */
    const char *found;
    unsigned distance; /* of what is found; before: one more than is near */
};

static void consider(void *arg, const struct conf_key *k)
{
    struct nearest *at = arg;
    const char *known = at->section != NULL ? k->name : k->section;
    unsigned d;

    if (k->type == CONF_NO_EFFECT || (at->section != NULL && strcmp(k->section, at->section) != 0))
        return;
    d = conf_distance(at->name, known, at->distance - 1);
    if (d < at->distance) {
        at->distance = d;
        at->found = known;
    }
}

/* One slip in four letters; with more it is another word. */
const char *conf_nearest(const char *section, const char *name)
{
    struct nearest at = {.section = section, .name = name, .distance = 1 + (unsigned)MIN(MAX(strnlen(name, NAME_MAX_BYTES) / 4, 1u), 3u)};

    conf_key_each(consider, &at);
    return at.found;
}
