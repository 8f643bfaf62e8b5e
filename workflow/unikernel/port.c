#include "port.h"

#include "fatal.h"
#include "interrupts.h"
#include "vectors.h"

#define QUEUE_RECEIVE  0
#define QUEUE_TRANSMIT 1

/*
 * Frames a port may forward before the cards hear of it. Large enough to pay
 * for one notification, small enough that the host works on the first frames
 * while we work on the next.
 */
#define BATCH 64u

/* With fewer buffers than this waiting for frames, sent ones are wanted back. */
#define BUFFERS_LOW(port) ((port)->receive.size / 2)

/*
 * In a section of its own, which the file does not ask the loader for: what is
 * in a buffer before the first frame matters to nobody, so nobody has to zero
 * a megabyte at each start, and no page of it is real until a frame needs it.
 */
static struct buffer buffers[PORTS][QUEUE_SIZE_MAX] __attribute__((section(".bss.buffers"), aligned(4096)));

static void on_interrupt(void *argument)
{
    struct port *port = argument;

    /* Only ends the sleep: the main loop looks at all rings anyway. */
    port->interrupts = port->interrupts + 1;
    virtio_acknowledge(&port->device);
}

void port_open(struct port *port, unsigned number, unsigned slot)
{
    port->number = number;
    port->buffers = buffers[number];
    virtio_begin(&port->device, slot);
    virtio_add_queue(&port->device, QUEUE_RECEIVE, &port->receive);
    virtio_add_queue(&port->device, QUEUE_TRANSMIT, &port->transmit);

    for (unsigned k = 0; k < port->receive.size; k++) {
        port->receive.descriptors[k] = (struct descriptor){
            .address = (uintptr_t)&port->buffers[k],
            .length = BUFFER_SIZE,
            .flags = DESCRIPTOR_DEVICE_WRITES,
        };
        virtqueue_fill(&port->receive, (uint16_t)k);
    }
    for (unsigned k = 0; k < port->transmit.size; k++)
        port->spare[port->spares++] = (uint16_t)k;

    interrupts_route(virtio_line(slot), VECTOR_PORT + number, on_interrupt, port);
    virtio_start(&port->device);
}

/* What this port has sent goes back to where it was received. */
static unsigned reclaim(struct port *port)
{
    unsigned count = virtqueue_returned(&port->transmit);

    for (unsigned i = 0; i < count; i++) {
        uint32_t descriptor = virtqueue_take(&port->transmit).descriptor;
        if (descriptor >= port->transmit.size || !port->cargo[descriptor].owner)
            fatal("port %u says it has sent descriptor %u, which it was not given", port->number, descriptor);
        virtqueue_fill(&port->cargo[descriptor].owner->receive, port->cargo[descriptor].descriptor);
        port->cargo[descriptor].owner = 0;
        port->spare[port->spares++] = (uint16_t)descriptor;
    }
    return count;
}

/* Lend buffer k of port `from` to the transmit queue of `port`. False if the queue is full. */
static bool transmit(struct port *port, struct port *from, uint16_t k, unsigned length)
{
    if (port->spares == 0)
        return false;
    uint16_t descriptor = port->spare[--port->spares];
    struct buffer *buffer = &from->buffers[k];

    /* No offload, one piece: a header of zeroes, whatever the receiving card has noted in it. */
    __builtin_memset(buffer->net_header, 0, NET_HEADER);
    port->transmit.descriptors[descriptor] = (struct descriptor){
        .address = (uintptr_t)buffer,
        .length = NET_HEADER + length,
    };
    port->cargo[descriptor].owner = from;
    port->cargo[descriptor].descriptor = k;
    virtqueue_fill(&port->transmit, descriptor);
    return true;
}

/* One frame, in buffer k: count it, ask the function, send it or give the buffer back to the card. */
static void handle(struct port *port, struct port ports[], const struct function *function,
                   uint16_t k, uint32_t written)
{
    uint32_t length = written - NET_HEADER;

    port->counters.received++;
    if (written < NET_HEADER + FRAME_MIN || length > FRAME_MAX) {
        port->counters.dropped_malformed++;
    } else {
        int verdict = function->process(port->number, port->buffers[k].frame, length);
        if (verdict == DROP) {
            port->counters.dropped_by_function++;
        } else if (verdict < 0 || verdict >= (int)PORTS) {
            fatal("function %s sends a frame of port %u to port %u, and there are %u",
                  function->name, port->number, (unsigned)verdict, PORTS);
        } else if (transmit(&ports[verdict], port, k, length)) {
            ports[verdict].counters.sent++;
            return;
        } else {
            port->counters.dropped_ring_full++;
        }
    }
    virtqueue_fill(&port->receive, k);
}

bool port_work(struct port *port, struct port ports[], const struct function *function)
{
    unsigned reclaimed = reclaim(port);
    unsigned count = virtqueue_returned(&port->receive);

    if (count > BATCH)
        count = BATCH;
    for (unsigned i = 0; i < count; i++) {
        struct used_element element = virtqueue_take(&port->receive);
        if (element.descriptor >= port->receive.size)
            fatal("port %u received into descriptor %u, and there are %u",
                  port->number, element.descriptor, port->receive.size);
        handle(port, ports, function, (uint16_t)element.descriptor, element.length);
    }
    return reclaimed + count > 0;
}

void port_publish(struct port *port)
{
    virtqueue_publish(&port->transmit);
    virtqueue_publish(&port->receive);
}

bool port_buffers_are_short(const struct port *port)
{
    return virtqueue_outstanding(&port->receive) < BUFFERS_LOW(port);
}

/*
 * A received frame is always worth waking up for. A sent one is not: its
 * buffer comes back with the next frame that is received, unless so many are
 * out that there might be none left to receive into. Then half of what is out
 * is worth one interrupt.
 */
static uint16_t transmit_wake_count(const struct port *port)
{
    return (uint16_t)((virtqueue_outstanding(&port->transmit) + 1) / 2);
}

void port_request_wake(struct port *port, bool buffers_are_short)
{
    virtqueue_wake_after(&port->receive, 1);
    if (buffers_are_short && virtqueue_outstanding(&port->transmit))
        virtqueue_wake_after(&port->transmit, transmit_wake_count(port));
}

bool port_has_work(const struct port *port, bool buffers_are_short)
{
    if (virtqueue_returned(&port->receive))
        return true;
    return buffers_are_short && virtqueue_outstanding(&port->transmit)
        && virtqueue_returned(&port->transmit) >= transmit_wake_count(port);
}
