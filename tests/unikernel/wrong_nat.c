/*
 * wrong_nat: a translation that forgets a checksum, of every frame or (every=N) of every Nth, for the tests.
 */
#include "function.h"
#include "packet.h"
#include "text.h"

extern const struct function function_nat;

static unsigned every = 1, turn;

static bool set(const char *name, const char *value)
{
    if (text_equal(name, "every")) {
        every = (unsigned)text_number(&value, UINT32_MAX, name);
        return true;
    }
    return function_nat.set(name, value);
}

static void start(void)
{
    function_nat.start();
}

static int process(unsigned port, uint8_t *frame, unsigned length)
{
    struct packet packet;
    uint8_t checksum[2] = { 0 };
    bool is_udp = packet_parse(&packet, frame, length) && packet.has_ports && packet.protocol == PROTOCOL_UDP;

    if (is_udp)
        put16(checksum, get16(packet.transport + 6));
    int verdict = function_nat.process(port, frame, length);
    if (is_udp && verdict != DROP && ++turn % every == 0)
        put16(packet.transport + 6, get16(checksum));
    return verdict;
}

FUNCTION(wrong_nat) = { .name = "wrong_nat", .parameters = "pool ports every", .set = set, .start = start, .process = process };
