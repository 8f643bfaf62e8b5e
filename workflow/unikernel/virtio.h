/*
 * A virtio device behind memory-mapped registers: finding it, agreeing with
 * it on features, giving it queues. Version 1 of the standard ("modern").
 *
 * Knows nothing about frames; what is done with a queue while it runs is in
 * virtqueue.h.
 */
#ifndef VIRTIO_H
#define VIRTIO_H

#include "virtqueue.h"

#include <stdint.h>

#define VIRTIO_SLOTS       8    /* places for devices that the machine has */
#define VIRTIO_NOTHING     0    /* device id of an empty place */
#define VIRTIO_NETWORK     1

struct virtio_device {
    unsigned slot;
    uintptr_t registers;
};

/* What kind of device is in the slot: its device id. Fatal if the slot is not what we can talk to. */
uint32_t virtio_probe(unsigned slot);

/* Reset the device and agree on features. Fatal if it lacks one that we need. */
void virtio_begin(struct virtio_device *device, unsigned slot);

/* Give the device a queue. It gets as many entries as both sides can. Fatal if that is too few. */
void virtio_add_queue(struct virtio_device *device, unsigned number, struct virtqueue *queue);

/* Set-up is over: from now on the device uses its queues. */
void virtio_start(struct virtio_device *device);

/* The device's line is up: take it down. Fatal if the device reports that it is broken. */
void virtio_acknowledge(const struct virtio_device *device);

/* The line of the I/O APIC where the slot's device interrupts. */
unsigned virtio_line(unsigned slot);

#endif
