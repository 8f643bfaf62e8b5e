#include "options.h"

#include "fatal.h"
#include "text.h"

/* A filter's rule has some 90. */
#define WORD_MAX 128

static const char default_name[] = "forward";

static const struct function *find(const char *name)
{
    static char known[256];
    unsigned length = 0;

    for (const struct function *function = function_table; function < function_table_end; function++) {
        if (text_equal(function->name, name))
            return function;
        if (function > function_table && length < sizeof known - 1)
            known[length++] = ' ';
        for (const char *c = function->name; *c && length < sizeof known - 1; c++)
            known[length++] = *c;
    }
    fatal("unknown function '%s'; known: %s", name, known);
}

/* The next word, copied and ended by a zero; false where there is none. */
static bool next_word(const char **command_line, char word[WORD_MAX])
{
    unsigned length = 0;

    while (**command_line == ' ')
        (*command_line)++;
    while (**command_line && **command_line != ' ') {
        if (length == WORD_MAX - 1)
            fatal("an option on the command line is longer than %u characters", WORD_MAX - 1);
        word[length++] = *(*command_line)++;
    }
    word[length] = 0;
    return length > 0;
}

static void set_parameter(const struct function *function, char *word)
{
    char *value = word;

    while (*value && *value != '=')
        value++;
    if (!*value)
        fatal("option '%s' is not NAME=VALUE", word);
    *value++ = 0;
    if (!function->set || !function->set(word, value))
        fatal("unknown option '%s'; known: function%s%s", word, function->parameters ? " " : "",
              function->parameters ? function->parameters : "");
}

const struct function *options_function(const char *command_line)
{
    const struct function *function = 0;
    char word[WORD_MAX];

    while (next_word(&command_line, word)) {
        const char *name = word;

        if (text_skip(&name, "function=")) {
            if (function)
                fatal("function=NAME must come once, before all parameters");
            function = find(name);
        } else {
            function = function ? function : find(default_name);
            set_parameter(function, word);
        }
    }
    function = function ? function : find(default_name);
    if (function->start)
        function->start();
    return function;
}
