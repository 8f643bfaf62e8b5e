/*
 * A port: one network card, its two queues and the buffers it receives into.
 *
 * A frame is never copied. It is received into a buffer, looked at there, and
 * the same buffer is lent to the transmit queue of the port it leaves by;
 * when it has been sent, the buffer goes back to the port that received it.
 */
#ifndef PORT_H
#define PORT_H

#include "function.h"
#include "virtio.h"

#define FRAME_MIN     14u       /* an Ethernet header */
#define FRAME_MAX     1518u     /* header, one VLAN tag, 1500 bytes */
#define NET_HEADER    12u       /* what virtio puts before each frame */
#define BUFFER_SIZE   2048u     /* more than FRAME_MAX, so that too long frames are seen and counted */

struct buffer {
    uint8_t net_header[NET_HEADER];
    uint8_t frame[BUFFER_SIZE - NET_HEADER];
};

/*
 * Each received frame is counted once in `received`, and then once more in
 * exactly one of the others: in `sent` of the port it leaves by, or in a drop
 * of the port it came in by. So over all ports, received = sent + dropped.
 */
struct counters {
    uint64_t received;
    uint64_t sent;                      /* handed to this port's card */
    uint64_t dropped_ring_full;         /* no room in the transmit ring of the port it should leave by */
    uint64_t dropped_by_function;       /* that was the function's verdict */
    uint64_t dropped_malformed;         /* shorter than FRAME_MIN or longer than FRAME_MAX */
};

struct port {
    unsigned number;
    struct virtio_device device;
    struct virtqueue receive, transmit;

    /* Buffer k belongs to descriptor k of `receive`, for ever. Outside this struct: see port.c. */
    struct buffer *buffers;

    /* Descriptors of `transmit` that are not in use, and whose buffer each used one carries. */
    uint16_t spare[QUEUE_SIZE_MAX];
    unsigned spares;
    struct {
        struct port *owner;
        uint16_t descriptor;
    } cargo[QUEUE_SIZE_MAX];

    struct counters counters;
    volatile uint64_t interrupts;
};

/* Bring up the network card in `slot`. Fatal if that cannot be done. */
void port_open(struct port *port, unsigned number, unsigned slot);

/* Take back what was sent, forward at most a batch of what was received. True if there was any work. */
bool port_work(struct port *port, struct port ports[], const struct function *function);

/* Show the cards what port_work() has put into their queues. */
void port_publish(struct port *port);

/*
 * Before sleep: are so few buffers left to receive into that the sent ones
 * are wanted back even if no frame comes in? They may be with any port, so if
 * one port is short, all must know.
 */
bool port_buffers_are_short(const struct port *port);

/* Ask the card for an interrupt when there is something to do. */
void port_request_wake(struct port *port, bool buffers_are_short);

/* Is there something to do already? To be asked after port_request_wake() and a fence. */
bool port_has_work(const struct port *port, bool buffers_are_short);

#endif
