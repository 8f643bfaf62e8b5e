#include "virtio.h"

#include "fatal.h"
#include "machine.h"

/* Where QEMU's microvm machine (without ACPI) puts the slots and their interrupt lines. */
#define SLOT_BASE  0xfeb00000UL
#define SLOT_SIZE  0x200
#define LINE_BASE  5

/* Registers of a slot. */
#define MAGIC              0x000
#define VERSION            0x004
#define DEVICE_ID          0x008
#define DEVICE_FEATURES    0x010
#define DEVICE_FEATURES_SELECT 0x014
#define DRIVER_FEATURES    0x020
#define DRIVER_FEATURES_SELECT 0x024
#define QUEUE_SELECT       0x030
#define QUEUE_LENGTH_MAX   0x034
#define QUEUE_LENGTH       0x038
#define QUEUE_READY        0x044
#define QUEUE_NOTIFY       0x050
#define INTERRUPT_STATUS   0x060
#define INTERRUPT_ACKNOWLEDGE 0x064
#define STATUS             0x070
#define QUEUE_DESCRIPTORS  0x080
#define QUEUE_AVAILABLE    0x090
#define QUEUE_USED         0x0a0

#define MAGIC_VALUE        0x74726976   /* "virt" */

#define STATUS_ACKNOWLEDGED 1
#define STATUS_DRIVER       2
#define STATUS_DRIVER_OK    4
#define STATUS_FEATURES_OK  8
#define STATUS_BROKEN       64

#define INTERRUPT_CONFIGURATION 2

#define FEATURE_EVENT_INDEX (1UL << 29)
#define FEATURE_VERSION_1   (1UL << 32)
/*
 * All that we ask for. Above all no offload: the host then hands us, and
 * takes from us, finished frames with finished checksums.
 */
#define FEATURES_WANTED     (FEATURE_EVENT_INDEX | FEATURE_VERSION_1)

static uint32_t get(const struct virtio_device *device, unsigned reg)
{
    return mmio_read32(device->registers + reg);
}

static void set(const struct virtio_device *device, unsigned reg, uint32_t value)
{
    mmio_write32(device->registers + reg, value);
}

static void set_address(const struct virtio_device *device, unsigned reg, const volatile void *address)
{
    set(device, reg, (uint32_t)(uintptr_t)address);
    set(device, reg + 4, (uint32_t)((uintptr_t)address >> 32));
}

static struct virtio_device device_in(unsigned slot)
{
    return (struct virtio_device){ .slot = slot, .registers = SLOT_BASE + slot * SLOT_SIZE };
}

unsigned virtio_line(unsigned slot)
{
    return LINE_BASE + slot;
}

uint32_t virtio_probe(unsigned slot)
{
    struct virtio_device device = device_in(slot);
    uint32_t magic = get(&device, MAGIC), version = get(&device, VERSION), id = get(&device, DEVICE_ID);

    if (magic != MAGIC_VALUE)
        fatal("no virtio slot at 0x%lx: read 0x%x, wanted 0x%x; is this QEMU's microvm machine?",
              device.registers, magic, MAGIC_VALUE);
    if (id != VIRTIO_NOTHING && version != 2)
        fatal("virtio slot %u speaks version %u, wanted 2; start QEMU with -global virtio-mmio.force-legacy=false",
              slot, version);
    return id;
}

void virtio_begin(struct virtio_device *device, unsigned slot)
{
    *device = device_in(slot);

    set(device, STATUS, 0);
    while (get(device, STATUS) != 0)
        ;       /* the standard's way to wait until the reset is over */
    set(device, STATUS, STATUS_ACKNOWLEDGED | STATUS_DRIVER);

    set(device, DEVICE_FEATURES_SELECT, 0);
    uint64_t offered = get(device, DEVICE_FEATURES);
    set(device, DEVICE_FEATURES_SELECT, 1);
    offered |= (uint64_t)get(device, DEVICE_FEATURES) << 32;
    if ((offered & FEATURES_WANTED) != FEATURES_WANTED)
        fatal("virtio slot %u offers features 0x%lx, which lack%s%s", slot, offered,
              offered & FEATURE_VERSION_1 ? "" : " VERSION_1", offered & FEATURE_EVENT_INDEX ? "" : " EVENT_IDX");

    set(device, DRIVER_FEATURES_SELECT, 0);
    set(device, DRIVER_FEATURES, (uint32_t)FEATURES_WANTED);
    set(device, DRIVER_FEATURES_SELECT, 1);
    set(device, DRIVER_FEATURES, (uint32_t)(FEATURES_WANTED >> 32));
    set(device, STATUS, STATUS_ACKNOWLEDGED | STATUS_DRIVER | STATUS_FEATURES_OK);
    uint32_t status = get(device, STATUS);
    if (!(status & STATUS_FEATURES_OK))
        fatal("virtio slot %u refused the features 0x%lx: status 0x%x", slot, FEATURES_WANTED, status);
}

void virtio_add_queue(struct virtio_device *device, unsigned number, struct virtqueue *queue)
{
    set(device, QUEUE_SELECT, number);
    uint32_t longest = get(device, QUEUE_LENGTH_MAX);
    if (longest < QUEUE_SIZE_MIN || (longest & (longest - 1)))
        fatal("virtio slot %u: queue %u takes %u entries at most, wanted a power of two from %u on",
              device->slot, number, longest, QUEUE_SIZE_MIN);
    queue->size = (uint16_t)(longest < QUEUE_SIZE_MAX ? longest : QUEUE_SIZE_MAX);
    set(device, QUEUE_LENGTH, queue->size);
    set_address(device, QUEUE_DESCRIPTORS, queue->descriptors);
    set_address(device, QUEUE_AVAILABLE, &queue->available);
    set_address(device, QUEUE_USED, &queue->used);
    set(device, QUEUE_READY, 1);

    queue->number = number;
    queue->doorbell = device->registers + QUEUE_NOTIFY;
}

void virtio_start(struct virtio_device *device)
{
    set(device, STATUS, STATUS_ACKNOWLEDGED | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
    uint32_t status = get(device, STATUS);
    if (status & STATUS_BROKEN)
        fatal("virtio slot %u broke down when it was started: status 0x%x", device->slot, status);
}

void virtio_acknowledge(const struct virtio_device *device)
{
    uint32_t causes = get(device, INTERRUPT_STATUS);

    set(device, INTERRUPT_ACKNOWLEDGE, causes);
    /* A change of configuration is a link going up or down, which is the host's business, or the device giving up. */
    if (causes & INTERRUPT_CONFIGURATION) {
        uint32_t status = get(device, STATUS);
        if (status & STATUS_BROKEN)
            fatal("virtio slot %u reports that it is broken: status 0x%x", device->slot, status);
    }
}
