/*
 * monitor: counts the frames and bytes of each flow, and passes everything unchanged.
 *
 * A flow is one direction of a connection: addresses, protocol and ports. The
 * table never forgets; flows for which it has no place are counted together
 * ("other"), as is what is not IPv4.
 */
#include "console.h"
#include "function.h"
#include "packet.h"

#define FLOWS_MAX 4096u
#define SLOTS     8192u         /* a power of two, and never more than half full */

struct flow {
    uint32_t source, destination;
    uint16_t source_port, destination_port;
    uint8_t protocol;
    uint64_t frames, bytes;     /* no frames: not in use */
};

struct tables {
    struct flow flows[SLOTS];
};
TABLES_IN_FUNCTION_MEMORY;
static unsigned flow_count;
static uint64_t other_frames, other_bytes;

static void start(void)
{
    __builtin_memset(tables->flows, 0, sizeof tables->flows);
}

/* The flow of a packet, a new one if it has none; null if no place is left. */
static struct flow *flow_of(const struct packet *packet)
{
    for (unsigned slot = packet_flow_hash(packet);; slot++) {
        struct flow *flow = &tables->flows[slot % SLOTS];

        if (!flow->frames) {
            if (flow_count == FLOWS_MAX)
                return 0;
            flow_count++;
            flow->source = packet->source;
            flow->destination = packet->destination;
            flow->source_port = packet->source_port;
            flow->destination_port = packet->destination_port;
            flow->protocol = packet->protocol;
            return flow;
        }
        if (flow->source == packet->source && flow->destination == packet->destination
            && flow->source_port == packet->source_port && flow->destination_port == packet->destination_port
            && flow->protocol == packet->protocol)
            return flow;
    }
}

static int process(unsigned port, uint8_t *frame, unsigned length)
{
    struct packet packet;
    struct flow *flow = packet_parse(&packet, frame, length) ? flow_of(&packet) : 0;

    *(flow ? &flow->frames : &other_frames) += 1;
    *(flow ? &flow->bytes : &other_bytes) += length;
    return other_side(port);
}

static void print_status(void)
{
    console_print(",\"flows\":%u,\"other_frames\":%lu,\"other_bytes\":%lu", flow_count, other_frames, other_bytes);
}

static void print_address(const char *name, uint32_t address)
{
    console_print("\"%s\":\"%u.%u.%u.%u\",", name, address >> 24, address >> 16 & 255, address >> 8 & 255,
                  address & 255);
}

static bool print_entry(unsigned index)
{
    if (index >= SLOTS)
        return false;
    const struct flow *flow = &tables->flows[index];
    if (flow->frames) {
        console_print("entry {");
        print_address("source", flow->source);
        print_address("destination", flow->destination);
        console_print("\"protocol\":%u,\"source_port\":%u,\"destination_port\":%u,\"frames\":%lu,\"bytes\":%lu}\n",
                      flow->protocol, flow->source_port, flow->destination_port, flow->frames, flow->bytes);
    }
    return true;
}

FUNCTION(monitor) = {
    .name = "monitor", .start = start, .process = process, .print_status = print_status, .print_entry = print_entry,
};
