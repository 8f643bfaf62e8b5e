/*
 * nat: what leaves gets a source address and port of a pool, what comes back its own destination again.
 *
 * pool=FIRST-LAST are addresses, ports=FIRST-LAST the ports of each. The first
 * packet of a flow (its source address, port and protocol) takes the next free
 * entry, for good: there is no clock here, and a flow whose entry was given
 * away would break in silence. What cannot be translated is dropped: what is
 * not TCP or UDP, fragments, a flow for which no entry is left, and from
 * outside whatever nobody has asked for.
 */
#include "console.h"
#include "fatal.h"
#include "function.h"
#include "packet.h"
#include "text.h"

#define ENTRIES_MAX 16384u
#define SLOTS       32768u      /* of the hash table; a power of two, and never more than half full */
#define FREE        0xffffu

struct entry {
    uint32_t address;
    uint16_t port;
    uint8_t protocol;
};

/* Entry k stands for address k / (ports of an address) of the pool, and port k % that. */
struct tables {
    struct entry entries[ENTRIES_MAX];
    uint16_t slots[SLOTS];
};
TABLES_IN_FUNCTION_MEMORY;
static unsigned entry_count, capacity;
static struct range pool, ports;
static uint64_t translated, refused, exhausted;

static bool set(const char *name, const char *value)
{
    if (text_equal(name, "pool"))
        pool = text_address_range(&value, name);
    else if (text_equal(name, "ports"))
        ports = text_number_range(&value, 65535, name);
    else
        return false;
    text_end(value, name);
    return true;
}

static unsigned ports_each(void)
{
    return ports.last - ports.first + 1;
}

static void start(void)
{
    if (!pool.first || !ports.first)
        fatal("function nat needs pool=FIRST-LAST and ports=FIRST-LAST");
    uint64_t places = ((uint64_t)pool.last - pool.first + 1) * ports_each();

    capacity = places < ENTRIES_MAX ? (unsigned)places : ENTRIES_MAX;
    for (unsigned i = 0; i < SLOTS; i++)
        tables->slots[i] = FREE;
}

/* The entry of a flow from inside, a new one if it has none; null if none is left. */
static const struct entry *entry_of(const struct packet *packet)
{
    struct packet flow = *packet;

    flow.destination = 0;
    flow.destination_port = 0;
    for (unsigned slot = packet_flow_hash(&flow);; slot++) {
        uint16_t *at = &tables->slots[slot % SLOTS];

        if (*at == FREE) {
            if (entry_count == capacity)
                return 0;
            *at = (uint16_t)entry_count;
            tables->entries[entry_count] = (struct entry){ packet->source, packet->source_port, packet->protocol };
            return &tables->entries[entry_count++];
        }
        const struct entry *entry = &tables->entries[*at];
        if (entry->address == packet->source && entry->port == packet->source_port
            && entry->protocol == packet->protocol)
            return entry;
    }
}

/* The entry that a packet from outside answers; null if there is none. */
static const struct entry *entry_answered(const struct packet *packet)
{
    if (packet->destination < pool.first || packet->destination > pool.last
        || packet->destination_port < ports.first || packet->destination_port > ports.last)
        return 0;
    uint64_t k = (uint64_t)(packet->destination - pool.first) * ports_each() + (packet->destination_port - ports.first);
    return k < entry_count && tables->entries[k].protocol == packet->protocol ? &tables->entries[k] : 0;
}

static int process(unsigned port, uint8_t *frame, unsigned length)
{
    struct packet packet;

    if (!packet_parse(&packet, frame, length) || !packet.has_ports || packet.is_fragment) {
        refused++;
        return DROP;
    }
    const struct entry *entry = port == INSIDE ? entry_of(&packet) : entry_answered(&packet);
    if (!entry) {
        *(port == INSIDE ? &exhausted : &refused) += 1;
        return DROP;
    }
    if (port == INSIDE) {
        unsigned k = (unsigned)(entry - tables->entries);
        packet_set_source(&packet, pool.first + k / ports_each(), (uint16_t)(ports.first + k % ports_each()));
    } else {
        packet_set_destination(&packet, entry->address, entry->port);
    }
    translated++;
    return other_side(port);
}

static void print_status(void)
{
    console_print(",\"flows\":%u,\"capacity\":%u,\"translated\":%lu,\"refused\":%lu,\"exhausted\":%lu",
                  entry_count, capacity, translated, refused, exhausted);
}

FUNCTION(nat) = {
    .name = "nat", .parameters = "pool ports", .set = set, .start = start, .process = process,
    .print_status = print_status,
};
