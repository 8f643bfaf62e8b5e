/*
 * inspect: searches each packet's payload for all of a set of patterns at once; one that is found is dropped.
 *
 * A. V. Aho, M. J. Corasick, Efficient string matching: an aid to
 * bibliographic search, CACM 18(6), 1975: one table look-up a byte, however
 * many patterns there are. pattern=HEX, many times. The payload is what is
 * behind the TCP or UDP header, else behind the IPv4 header; of what is not
 * IPv4, all behind the Ethernet header.
 *
 * Most byte values occur in no pattern and share one column of the table, so
 * that it stays small enough for the processor's cache.
 */
#include "console.h"
#include "fatal.h"
#include "function.h"
#include "packet.h"
#include "text.h"

#define PATTERNS_MAX 256u
#define STATES_MAX   2304u     /* 256 patterns of 8 bytes, and the beginning */
#define COLUMNS_MAX  64u
#define ETHERNET_HEADER 14u
#define UDP_HEADER   8u

#define FOUND 0x8000u           /* flag of a next state: a pattern ends there */
#define STATE (FOUND - 1)
#define NONE  0x7fffu

struct tables {
    uint16_t next[STATES_MAX][COLUMNS_MAX];
    uint16_t failure[STATES_MAX];
    uint16_t queue[STATES_MAX];
    bool ends_here[STATES_MAX];
};
TABLES_IN_FUNCTION_MEMORY;
static uint8_t column_of[256];
static unsigned column_count = 1, state_count, pattern_count;
static uint64_t searched_bytes, found;

static unsigned new_state(void)
{
    if (state_count == STATES_MAX)
        fatal("the patterns need more than %u states", STATES_MAX);
    for (unsigned column = 0; column < COLUMNS_MAX; column++)
        tables->next[state_count][column] = NONE;
    tables->ends_here[state_count] = false;
    return state_count++;
}

static unsigned digit(char character, const char *text)
{
    if (character >= '0' && character <= '9')
        return (unsigned)(character - '0');
    if (character >= 'a' && character <= 'f')
        return (unsigned)(character - 'a' + 10);
    fatal("parameter pattern: '%s' is not an even number of the digits 0-9a-f", text);
}

static void add_pattern(const char *text)
{
    unsigned state = 0;

    if (!*text)
        fatal("parameter pattern: it is empty");
    if (pattern_count++ == PATTERNS_MAX)
        fatal("there are more than %u patterns", PATTERNS_MAX);
    if (state_count == 0)
        new_state();
    for (const char *at = text; *at; at += 2) {
        unsigned byte = digit(at[0], text) << 4 | digit(at[1], text);

        if (!column_of[byte]) {
            if (column_count == COLUMNS_MAX)
                fatal("the patterns have more than %u different bytes", COLUMNS_MAX - 1);
            column_of[byte] = (uint8_t)column_count++;
        }
        uint16_t *to = &tables->next[state][column_of[byte]];
        if (*to == NONE)
            *to = (uint16_t)new_state();
        state = *to;
    }
    tables->ends_here[state] = true;
}

static bool set(const char *name, const char *value)
{
    if (!text_equal(name, "pattern"))
        return false;
    add_pattern(value);
    return true;
}

/* Breadth first: when a state's turn comes, all shorter ones are finished, its failure state among them. */
static void start(void)
{
    unsigned head = 0, tail = 0;

    if (state_count == 0)
        fatal("function inspect needs pattern=HEX");
    tables->queue[tail++] = 0;
    tables->failure[0] = 0;
    while (head < tail) {
        unsigned state = tables->queue[head++];

        tables->ends_here[state] |= tables->ends_here[tables->failure[state]];
        for (unsigned column = 0; column < column_count; column++) {
            uint16_t *to = &tables->next[state][column];
            unsigned shorter = state ? tables->next[tables->failure[state]][column] : 0;

            if (*to == NONE) {
                *to = (uint16_t)shorter;
            } else {
                tables->failure[*to] = (uint16_t)shorter;
                tables->queue[tail++] = *to;
            }
        }
    }
    for (unsigned state = 0; state < state_count; state++)
        for (unsigned column = 0; column < column_count; column++)
            if (tables->ends_here[tables->next[state][column]])
                tables->next[state][column] |= FOUND;
}

static bool contains_pattern(const uint8_t *data, const uint8_t *end)
{
    unsigned state = 0;

    for (; data < end; data++) {
        state = tables->next[state & STATE][column_of[*data]];
        if (state & FOUND)
            return true;
    }
    return false;
}

static int process(unsigned port, uint8_t *frame, unsigned length)
{
    struct packet packet;
    const uint8_t *data = frame + ETHERNET_HEADER, *end = frame + length;

    if (packet_parse(&packet, frame, length)) {
        data = packet.transport;
        end = data + packet.transport_length;
        if (packet.has_ports) {
            unsigned header = packet.protocol == PROTOCOL_UDP ? UDP_HEADER : (packet.transport[12] >> 4) * 4u;
            data = header < packet.transport_length ? data + header : end;
        }
    }
    searched_bytes += (uint64_t)(end - data);
    if (!contains_pattern(data, end))
        return other_side(port);
    found++;
    return DROP;
}

static void print_status(void)
{
    console_print(",\"patterns\":%u,\"states\":%u,\"searched_bytes\":%lu,\"found\":%lu",
                  pattern_count, state_count, searched_bytes, found);
}

FUNCTION(inspect) = {
    .name = "inspect", .parameters = "pattern", .set = set, .start = start, .process = process,
    .print_status = print_status,
};
