/*
 * What a middlebox does to a frame: one small file a function in functions/.
 *
 * In the spirit of a Click element: a frame comes in at a port, and the
 * verdict says where it goes. To add one: write functions/NAME.c that defines
 * `const struct function function_NAME`, and name it in functions/table.c.
 */
#ifndef FUNCTION_H
#define FUNCTION_H

#include <stdint.h>

#define PORTS 2u

/* A verdict is the number of the port to send out of (the one it came in by is allowed), or this. */
#define DROP (-1)

struct function {
    const char *name;           /* as in function=NAME on the command line */

    /*
     * Called once for each frame: the destination address is at frame[0], the
     * length is without checksum. The frame may be changed in place, up to
     * its length; it is the very memory that will be sent. Nothing else of it
     * may be kept after returning.
     */
    int (*process)(unsigned port, uint8_t *frame, unsigned length);
};

/* All functions of this image, ended by a null pointer; the first is the default. */
extern const struct function *const function_table[];

#endif
