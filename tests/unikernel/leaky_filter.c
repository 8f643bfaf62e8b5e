/*
 * leaky_filter: a filter that lets through what it must deny, for the tests.
 */
#include "function.h"

extern const struct function function_filter;

static bool set(const char *name, const char *value)
{
    return function_filter.set(name, value);
}

static int process(unsigned port, uint8_t *frame, unsigned length)
{
    function_filter.process(port, frame, length);
    return other_side(port);
}

FUNCTION(leaky_filter) = { .name = "leaky_filter", .parameters = "rule", .set = set, .process = process };
