/*
 * The parts of an IPv4 packet that functions look at, and its checksums.
 *
 * Numbers of a frame have their first byte first ("network order"); the
 * numbers of struct packet are the machine's own.
 */
#ifndef PACKET_H
#define PACKET_H

#include <stdbool.h>
#include <stdint.h>

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17

struct packet {
    uint8_t *ip;                /* its header */
    uint8_t *transport;         /* what is behind that header */
    unsigned transport_length;
    uint32_t source, destination;
    uint8_t protocol;
    bool is_fragment;           /* one of several, the first one too */
    bool has_ports;             /* a whole TCP or UDP header is there */
    uint16_t source_port, destination_port;     /* 0 without ports */
};

static inline uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void put32(uint8_t *at, uint32_t value)
{
    put16(at, (uint16_t)(value >> 16));
    put16(at + 2, (uint16_t)value);
}

/* False if the frame is not an untagged IPv4 packet, whole and with a header that makes sense (RFC 791). */
bool packet_parse(struct packet *packet, uint8_t *frame, unsigned length);

/* What tells one flow from another: a number of the addresses, the protocol and the ports, well mixed. */
uint32_t packet_flow_hash(const struct packet *packet);

/* Change an address or port and what its checksums become by that. */
void packet_set_source(struct packet *packet, uint32_t address, uint16_t port);
void packet_set_destination(struct packet *packet, uint32_t address, uint16_t port);

#endif
