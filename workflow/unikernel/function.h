/*
 * What a middlebox does to a frame: one small file a function in functions/.
 *
 * In the spirit of a Click element: a frame comes in at a port, and the
 * verdict says where it goes. To add one: write functions/NAME.c that defines
 * `FUNCTION(NAME) = { … }`; it is in the image from then on.
 */
#ifndef FUNCTION_H
#define FUNCTION_H

#include <stdbool.h>
#include <stdint.h>

#define PORTS 2u

/* The port that faces the start of the chain, and the one that faces its end. */
#define INSIDE  0u
#define OUTSIDE 1u

/* A verdict is the number of the port to send out of (the one it came in by is allowed), or this. */
#define DROP (-1)

struct function {
    const char *name;           /* as in function=NAME on the command line */

    /* The names of the parameters, as in NAME=VALUE on the command line, separated by spaces; for messages. */
    const char *parameters;

    /*
     * Called for each NAME=VALUE in their order, before start(). May be null.
     * False if there is no parameter of this name; fatal if the value is bad.
     */
    bool (*set)(const char *name, const char *value);

    /* Called once, after the last set() and before the first frame: clear and build all tables. May be null. */
    void (*start)(void);

    /*
     * Called once for each frame: the destination address is at frame[0], the
     * length is without checksum. The frame may be changed in place, up to
     * its length; it is the very memory that will be sent. Nothing else of it
     * may be kept after returning.
     */
    int (*process)(unsigned port, uint8_t *frame, unsigned length);

    /* Prints further members of the status line, each after a comma, 300 characters at most. May be null. */
    void (*print_status)(void);

    /*
     * Prints table entry number `index` as one line, if it is in use. False
     * beyond the last one. Null for a function without a table to read.
     */
    bool (*print_entry)(unsigned index);
};

/* The linker gathers all functions in one table, ordered by name. */
#define FUNCTION(name) \
    extern const struct function function_##name; \
    const struct function function_##name __attribute__((section(".functions." #name), used, aligned(8)))

/*
 * For tables: memory that all functions share, as only one of them runs. Nobody
 * zeroes it at a start, so a page of it becomes real when it is first used.
 * A function says what it puts there as `struct tables`.
 */
#define FUNCTION_MEMORY (320u * 1024)
extern uint8_t function_memory[FUNCTION_MEMORY];

#define TABLES_IN_FUNCTION_MEMORY \
    _Static_assert(sizeof(struct tables) <= FUNCTION_MEMORY, "the tables do not fit"); \
    static struct tables *const tables = (struct tables *)function_memory

static inline int other_side(unsigned port)
{
    return port == INSIDE ? OUTSIDE : INSIDE;
}

#endif
