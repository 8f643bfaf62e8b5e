/*
 * A virtqueue: a table of buffers and two rings between us and a device.
 *
 *   descriptors   where each buffer lies, how long it is, who may write to it
 *   available     our ring: "these descriptors are yours now"
 *   used          the device's ring: "done with these, they are yours again"
 *
 * Indices only ever grow and wrap at 65536; a place in a ring is the index
 * modulo the size. All differences between indices are taken as 16-bit
 * numbers, so a wrap is nothing special.
 *
 * Each side tells the other how far it may go without a word ("event index"):
 * `wake_index` is the used index whose passing makes the device interrupt us,
 * `notify_index` the available index whose passing makes us notify the device.
 */
#ifndef VIRTQUEUE_H
#define VIRTQUEUE_H

#include "machine.h"

#include <stdbool.h>
#include <stdint.h>

/* Powers of two. QEMU gives its network cards 256 entries by default, and more where it is asked to. */
#define QUEUE_SIZE_MIN 256u
#define QUEUE_SIZE_MAX 512u

#define DESCRIPTOR_DEVICE_WRITES 2

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};

struct used_element {
    uint32_t descriptor;
    uint32_t length;            /* bytes that the device has written */
};

struct virtqueue {
    /* Shared with the device, laid out as the standard says. Our ring and the
       device's start on cache lines of their own: each has one writer. */
    struct descriptor descriptors[QUEUE_SIZE_MAX] __attribute__((aligned(64)));
    struct {
        uint16_t flags;
        uint16_t index;
        uint16_t ring[QUEUE_SIZE_MAX + 1];      /* behind its last entry: the wake index */
    } available __attribute__((aligned(64)));
    struct {
        uint16_t flags;
        uint16_t index;
        struct used_element ring[QUEUE_SIZE_MAX + 1];   /* behind its last entry: the notify index */
    } used __attribute__((aligned(64)));

    /* Ours alone. */
    uint16_t filled __attribute__((aligned(64)));       /* our next index; published up to available.index */
    uint16_t taken;             /* the used index up to which we have looked */
    uint16_t number;
    uint16_t size;              /* how many entries the device and we have agreed on */
    uintptr_t doorbell;         /* the register that notifies the device */
};

/* Put a descriptor into our ring. The device does not see it before publish(). */
static inline void virtqueue_fill(struct virtqueue *queue, uint16_t descriptor)
{
    queue->available.ring[queue->filled % queue->size] = descriptor;
    queue->filled++;
}

/* Show the device all that was filled in, and wake it if it has asked for that. */
static inline void virtqueue_publish(struct virtqueue *queue)
{
    uint16_t before = queue->available.index, now = queue->filled;

    if (before == now)
        return;
    /* Release: the ring's entries and the descriptors first, then the index. */
    __atomic_store_n(&queue->available.index, now, __ATOMIC_RELEASE);
    /*
     * The device writes its notify_index and then looks at our index once
     * more before it goes to sleep; we write our index and then look at its
     * notify_index. With a fence in the middle on both sides at least one of
     * the two sees the other's write, so the device cannot sleep on work.
     */
    full_fence();
    uint16_t notify = __atomic_load_n((const uint16_t *)&queue->used.ring[queue->size], __ATOMIC_RELAXED);
    if ((uint16_t)(now - notify - 1) < (uint16_t)(now - before))
        mmio_write32(queue->doorbell, queue->number);
}

/* How many descriptors the device has given back that were not yet taken. */
static inline uint16_t virtqueue_returned(const struct virtqueue *queue)
{
    return (uint16_t)(__atomic_load_n(&queue->used.index, __ATOMIC_ACQUIRE) - queue->taken);
}

/* How many descriptors are the device's, or were given back and not yet taken. */
static inline uint16_t virtqueue_outstanding(const struct virtqueue *queue)
{
    return (uint16_t)(queue->filled - queue->taken);
}

/* Take the next returned descriptor; only after virtqueue_returned() said that there is one. */
static inline struct used_element virtqueue_take(struct virtqueue *queue)
{
    return queue->used.ring[queue->taken++ % queue->size];
}

/*
 * Ask for an interrupt once `count` descriptors, from the next one on, have
 * been returned. The device may have passed that point already and will then
 * not interrupt: fence, and look at virtqueue_returned() before sleeping.
 */
static inline void virtqueue_wake_after(struct virtqueue *queue, uint16_t count)
{
    __atomic_store_n(&queue->available.ring[queue->size], (uint16_t)(queue->taken + count - 1), __ATOMIC_RELAXED);
}

#endif
