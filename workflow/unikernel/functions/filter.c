/*
 * filter: the first of a list of rules that matches decides; what none matches is dropped.
 *
 * rule=VERDICT:PROTOCOL:SOURCE:PORTS:DESTINATION:PORTS, as in
 * deny:17:198.18.0.0/15:0-65535:198.19.0.7/32:5000-5001. Protocol 0 is any.
 * A packet without ports (not TCP or UDP, or not the first fragment) matches
 * only rules for all ports. The same rules hold in both directions.
 */
#include "console.h"
#include "fatal.h"
#include "function.h"
#include "packet.h"
#include "text.h"

#define RULES_MAX 1024u
#define PORT_MAX  65535u

struct rule {
    uint32_t source, source_mask;
    uint32_t destination, destination_mask;
    uint16_t source_first, source_last;
    uint16_t destination_first, destination_last;
    uint8_t protocol;
    bool wants_ports;
    bool accepts;
};

struct tables {
    struct rule rules[RULES_MAX];
};
TABLES_IN_FUNCTION_MEMORY;
static unsigned rule_count;
static uint64_t accepted, denied, unmatched;

static uint32_t read_network(const char **text, uint32_t *mask)
{
    uint32_t address = text_address(text, "rule");

    text_pass(text, '/', "rule");
    uint32_t bits = text_number(text, 32, "rule");
    *mask = bits ? ~0u << (32 - bits) : 0;
    return address & *mask;
}

static void add_rule(const char *text)
{
    if (rule_count == RULES_MAX)
        fatal("there are more than %u rules", RULES_MAX);
    struct rule *rule = &tables->rules[rule_count++];

    rule->accepts = text_skip(&text, "accept:");
    if (!rule->accepts && !text_skip(&text, "deny:"))
        fatal("parameter rule: neither accept nor deny at '%s'", text);
    rule->protocol = (uint8_t)text_number(&text, 255, "rule");
    text_pass(&text, ':', "rule");
    rule->source = read_network(&text, &rule->source_mask);
    text_pass(&text, ':', "rule");
    struct range source = text_number_range(&text, PORT_MAX, "rule");
    text_pass(&text, ':', "rule");
    rule->destination = read_network(&text, &rule->destination_mask);
    text_pass(&text, ':', "rule");
    struct range destination = text_number_range(&text, PORT_MAX, "rule");
    text_end(text, "rule");

    rule->source_first = (uint16_t)source.first;
    rule->source_last = (uint16_t)source.last;
    rule->destination_first = (uint16_t)destination.first;
    rule->destination_last = (uint16_t)destination.last;
    rule->wants_ports = source.first > 0 || source.last < PORT_MAX
        || destination.first > 0 || destination.last < PORT_MAX;
}

static bool set(const char *name, const char *value)
{
    if (!text_equal(name, "rule"))
        return false;
    add_rule(value);
    return true;
}

static bool matches(const struct rule *rule, const struct packet *packet)
{
    if ((packet->source & rule->source_mask) != rule->source
        || (packet->destination & rule->destination_mask) != rule->destination
        || (rule->protocol && rule->protocol != packet->protocol))
        return false;
    if (!rule->wants_ports)
        return true;
    return packet->has_ports
        && packet->source_port >= rule->source_first && packet->source_port <= rule->source_last
        && packet->destination_port >= rule->destination_first && packet->destination_port <= rule->destination_last;
}

static int process(unsigned port, uint8_t *frame, unsigned length)
{
    struct packet packet;

    if (packet_parse(&packet, frame, length))
        for (unsigned i = 0; i < rule_count; i++)
            if (matches(&tables->rules[i], &packet)) {
                if (!tables->rules[i].accepts) {
                    denied++;
                    return DROP;
                }
                accepted++;
                return other_side(port);
            }
    unmatched++;
    return DROP;
}

static void print_status(void)
{
    console_print(",\"rules\":%u,\"accepted\":%lu,\"denied\":%lu,\"unmatched\":%lu",
                  rule_count, accepted, denied, unmatched);
}

FUNCTION(filter) = {
    .name = "filter", .parameters = "rule", .set = set, .process = process, .print_status = print_status,
};
