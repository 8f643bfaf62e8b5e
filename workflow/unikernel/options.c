#include "options.h"

#include "fatal.h"

#include <stdbool.h>

#define WORD_MAX 64

static bool equal(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* The rest of `word` if it begins with `prefix`, or a null pointer. */
static const char *after(const char *prefix, const char *word)
{
    while (*prefix)
        if (*prefix++ != *word++)
            return 0;
    return word;
}

static const struct function *find(const char *name)
{
    static char known[256];
    unsigned length = 0;

    for (unsigned i = 0; function_table[i]; i++) {
        if (equal(function_table[i]->name, name))
            return function_table[i];
        if (i > 0 && length < sizeof known - 1)
            known[length++] = ' ';
        for (const char *c = function_table[i]->name; *c && length < sizeof known - 1; c++)
            known[length++] = *c;
    }
    fatal("unknown function '%s'; known: %s", name, known);
}

const struct function *options_function(const char *command_line)
{
    const struct function *function = function_table[0];
    char word[WORD_MAX];

    for (;;) {
        unsigned length = 0;

        while (*command_line == ' ')
            command_line++;
        if (!*command_line)
            return function;
        while (*command_line && *command_line != ' ') {
            if (length == WORD_MAX - 1)
                fatal("an option on the command line is longer than %u characters", WORD_MAX - 1);
            word[length++] = *command_line++;
        }
        word[length] = 0;

        const char *name = after("function=", word);
        if (!name)
            fatal("unknown option '%s'; known: function=NAME", word);
        function = find(name);
    }
}
