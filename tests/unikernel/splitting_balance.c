/*
 * splitting_balance: a balancer that sends the packets of one flow to several backends, for the tests.
 */
#include "function.h"
#include "packet.h"
#include "text.h"

extern const struct function function_balance;

static struct range backends;
static unsigned turn;

static bool set(const char *name, const char *value)
{
    const char *text = value;

    if (text_equal(name, "backends"))
        backends = text_address_range(&text, name);
    return function_balance.set(name, value);
}

static int process(unsigned port, uint8_t *frame, unsigned length)
{
    struct packet packet;
    int verdict = function_balance.process(port, frame, length);

    if (verdict != DROP && port == INSIDE && packet_parse(&packet, frame, length))
        packet_set_destination(&packet, backends.first + turn++ % (backends.last - backends.first + 1),
                               packet.destination_port);
    return verdict;
}

FUNCTION(splitting_balance) = {
    .name = "splitting_balance", .parameters = "backends virtual", .set = set, .process = process,
};
