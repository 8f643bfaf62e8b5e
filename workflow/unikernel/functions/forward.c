/*
 * forward: what comes in at one port goes out of the other, unchanged.
 */
#include "function.h"

static int process(unsigned port, uint8_t *frame, unsigned length)
{
    (void)frame;
    (void)length;
    return other_side(port);
}

FUNCTION(forward) = { .name = "forward", .process = process };
