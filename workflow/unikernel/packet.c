#include "packet.h"

#define ETHERNET_HEADER 14u
#define ETHERTYPE_IPV4  0x0800u
#define IP_HEADER_MIN   20u
#define UDP_HEADER      8u
#define TCP_HEADER_MIN  20u

#define IP_LENGTH       2
#define IP_FRAGMENT     6
#define IP_PROTOCOL     9
#define IP_CHECKSUM     10
#define IP_SOURCE       12
#define IP_DESTINATION  16
#define UDP_CHECKSUM    6
#define TCP_CHECKSUM    16

#define MORE_FRAGMENTS  0x2000u
#define FRAGMENT_OFFSET 0x1fffu

bool packet_parse(struct packet *packet, uint8_t *frame, unsigned length)
{
    uint8_t *ip = frame + ETHERNET_HEADER;

    if (length < ETHERNET_HEADER + IP_HEADER_MIN || get16(frame + 12) != ETHERTYPE_IPV4)
        return false;
    unsigned header = (ip[0] & 15u) * 4, total = get16(ip + IP_LENGTH);
    if (ip[0] >> 4 != 4 || header < IP_HEADER_MIN || total < header || total > length - ETHERNET_HEADER)
        return false;

    unsigned fragment = get16(ip + IP_FRAGMENT);
    packet->ip = ip;
    packet->transport = ip + header;
    packet->transport_length = total - header;
    packet->source = get32(ip + IP_SOURCE);
    packet->destination = get32(ip + IP_DESTINATION);
    packet->protocol = ip[IP_PROTOCOL];
    packet->is_fragment = fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET);
    packet->has_ports = !(fragment & FRAGMENT_OFFSET)
        && ((packet->protocol == PROTOCOL_UDP && packet->transport_length >= UDP_HEADER)
            || (packet->protocol == PROTOCOL_TCP && packet->transport_length >= TCP_HEADER_MIN));
    packet->source_port = packet->has_ports ? get16(packet->transport) : 0;
    packet->destination_port = packet->has_ports ? get16(packet->transport + 2) : 0;
    return true;
}

/* The finalizer of MurmurHash3 (public domain): each bit of the value changes half of the result's. */
static uint64_t mixed(uint64_t value)
{
    value = (value ^ value >> 33) * 0xff51afd7ed558ccdul;
    value = (value ^ value >> 33) * 0xc4ceb9fe1a85ec53ul;
    return value ^ value >> 33;
}

uint32_t packet_flow_hash(const struct packet *packet)
{
    uint64_t addresses = (uint64_t)packet->source << 32 | packet->destination;
    uint64_t rest = (uint64_t)packet->protocol << 32 | (uint32_t)packet->source_port << 16 | packet->destination_port;

    return (uint32_t)mixed(mixed(addresses) ^ rest);
}

/*
 * RFC 1624, equation 3: HC' = ~(~HC + ~m + m'), in ones' complement. What was
 * wrong before stays wrong by the same amount, so no damage is covered up.
 */
static uint16_t updated(uint16_t checksum, uint16_t before, uint16_t after)
{
    uint32_t sum = (uint16_t)~checksum + (uint32_t)(uint16_t)~before + after;

    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static uint16_t updated32(uint16_t checksum, uint32_t before, uint32_t after)
{
    checksum = updated(checksum, (uint16_t)(before >> 16), (uint16_t)(after >> 16));
    return updated(checksum, (uint16_t)before, (uint16_t)after);
}

/* Where the checksum over addresses and ports is, or a null pointer. */
static uint8_t *transport_checksum(const struct packet *packet)
{
    if (!packet->has_ports)
        return 0;
    if (packet->protocol == PROTOCOL_TCP)
        return packet->transport + TCP_CHECKSUM;
    uint8_t *at = packet->transport + UDP_CHECKSUM;
    return get16(at) ? at : 0;          /* RFC 768: zero means that there is none */
}

static void replace(struct packet *packet, int address_at, uint32_t address_before, uint32_t address_after,
                    int port_at, uint16_t port_before, uint16_t port_after)
{
    uint8_t *header_checksum = packet->ip + IP_CHECKSUM;
    uint8_t *checksum = transport_checksum(packet);

    put32(packet->ip + address_at, address_after);
    put16(header_checksum, updated32(get16(header_checksum), address_before, address_after));
    if (packet->has_ports)
        put16(packet->transport + port_at, port_after);
    if (checksum) {
        uint16_t value = updated32(get16(checksum), address_before, address_after);
        value = updated(value, port_before, port_after);
        put16(checksum, value || packet->protocol == PROTOCOL_TCP ? value : 0xffff);
    }
}

void packet_set_source(struct packet *packet, uint32_t address, uint16_t port)
{
    replace(packet, IP_SOURCE, packet->source, address, 0, packet->source_port, port);
    packet->source = address;
    packet->source_port = port;
}

void packet_set_destination(struct packet *packet, uint32_t address, uint16_t port)
{
    replace(packet, IP_DESTINATION, packet->destination, address, 2, packet->destination_port, port);
    packet->destination = address;
    packet->destination_port = port;
}
