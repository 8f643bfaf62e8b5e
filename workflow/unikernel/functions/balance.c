/*
 * balance: each flow goes to one of several backends, chosen by a hash of the flow.
 *
 * backends=FIRST-LAST are their addresses, virtual=ADDRESS is the one that
 * clients know. From inside every IPv4 packet gets a backend as destination;
 * from outside, what a backend says comes from the virtual address. There is
 * no state, so a flow stays with its backend for ever. Fragments have no ports
 * to tell flows by, so all of one pair of addresses stay together. What is not
 * IPv4 has no flow, and is dropped.
 */
#include "console.h"
#include "fatal.h"
#include "function.h"
#include "packet.h"
#include "text.h"

#define BACKENDS_MAX 16u

static struct range backends;
static uint32_t virtual_address;
static uint64_t balanced[BACKENDS_MAX], refused;

static bool set(const char *name, const char *value)
{
    if (text_equal(name, "backends"))
        backends = text_address_range(&value, name);
    else if (text_equal(name, "virtual"))
        virtual_address = text_address(&value, name);
    else
        return false;
    text_end(value, name);
    return true;
}

static unsigned backend_count(void)
{
    return backends.last - backends.first + 1;
}

static void start(void)
{
    if (!backends.first || !virtual_address)
        fatal("function balance needs backends=FIRST-LAST and virtual=ADDRESS");
    if (backends.last - backends.first >= BACKENDS_MAX)
        fatal("there are more than %u backends", BACKENDS_MAX);
}

static int process(unsigned port, uint8_t *frame, unsigned length)
{
    struct packet packet;

    if (!packet_parse(&packet, frame, length)) {
        refused++;
        return DROP;
    }
    if (port == INSIDE) {
        struct packet flow = packet;

        if (packet.is_fragment)
            flow.source_port = flow.destination_port = 0;
        /* The hash's upper part times the count: even for any count, without a division. */
        unsigned chosen = (unsigned)((uint64_t)packet_flow_hash(&flow) * backend_count() >> 32);
        balanced[chosen]++;
        packet_set_destination(&packet, backends.first + chosen, packet.destination_port);
    } else if (packet.source >= backends.first && packet.source <= backends.last) {
        packet_set_source(&packet, virtual_address, packet.source_port);
    }
    return other_side(port);
}

static void print_status(void)
{
    console_print(",\"refused\":%lu,\"balanced\":[", refused);
    for (unsigned i = 0; i < backend_count(); i++)
        console_print("%s%lu", i ? "," : "", balanced[i]);
    console_print("]");
}

FUNCTION(balance) = {
    .name = "balance", .parameters = "backends virtual", .set = set, .start = start, .process = process,
    .print_status = print_status,
};
