#include "text.h"

#include "fatal.h"

bool text_equal(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

bool text_skip(const char **text, const char *word)
{
    const char *rest = *text;

    while (*word)
        if (*word++ != *rest++)
            return false;
    *text = rest;
    return true;
}

uint32_t text_number(const char **text, uint32_t most, const char *parameter)
{
    const char *begin = *text;
    uint64_t number = 0;

    for (; **text >= '0' && **text <= '9'; (*text)++) {
        number = number * 10 + (uint64_t)(**text - '0');
        if (number > most)
            fatal("parameter %s: a number at '%s' is above %u", parameter, begin, most);
    }
    if (*text == begin)
        fatal("parameter %s: no number at '%s'", parameter, begin);
    return (uint32_t)number;
}

uint32_t text_address(const char **text, const char *parameter)
{
    uint32_t address = 0;

    for (unsigned i = 0; i < 4; i++) {
        if (i > 0)
            text_pass(text, '.', parameter);
        address = address << 8 | text_number(text, 255, parameter);
    }
    return address;
}

static struct range range_of(uint32_t first, uint32_t last, const char *parameter)
{
    if (last < first)
        fatal("parameter %s: a range ends before it begins", parameter);
    return (struct range){ first, last };
}

struct range text_number_range(const char **text, uint32_t most, const char *parameter)
{
    uint32_t first = text_number(text, most, parameter);

    text_pass(text, '-', parameter);
    return range_of(first, text_number(text, most, parameter), parameter);
}

struct range text_address_range(const char **text, const char *parameter)
{
    uint32_t first = text_address(text, parameter);

    text_pass(text, '-', parameter);
    return range_of(first, text_address(text, parameter), parameter);
}

void text_end(const char *text, const char *parameter)
{
    if (*text)
        fatal("parameter %s: '%s' is left over", parameter, text);
}

void text_pass(const char **text, char character, const char *parameter)
{
    if (**text != character)
        fatal("parameter %s: no '%c' at '%s'", parameter, character, *text);
    (*text)++;
}
