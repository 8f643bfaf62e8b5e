/*
 * The order of things: start, find two ports, forward for ever.
 */
#include "console.h"
#include "fatal.h"
#include "interrupts.h"
#include "machine.h"
#include "options.h"
#include "port.h"

#define START_MAGIC 0x336ec578

/* Places of a table that are looked at between two batches of frames. */
#define TABLE_BATCH 64u

/* What the loader tells us, as far as we care. */
struct start_info {
    uint32_t magic, version, flags, modules;
    uint64_t module_list, command_line;
};

_Noreturn void kernel_main(const struct start_info *start);

static struct port ports[PORTS];
static uint64_t halts;

static void open_ports(void)
{
    unsigned found = 0;
    unsigned slots[PORTS];

    /* QEMU fills the slots from the last to the first, so this is the order of its command line. */
    for (unsigned slot = VIRTIO_SLOTS; slot-- > 0;) {
        uint32_t id = virtio_probe(slot);
        if (id == VIRTIO_NOTHING)
            continue;
        if (id != VIRTIO_NETWORK)
            fatal("virtio slot %u holds a device of kind %u; only network cards (kind %u) are wanted",
                  slot, id, VIRTIO_NETWORK);
        if (found < PORTS)
            slots[found] = slot;
        found++;
    }
    if (found != PORTS)
        fatal("network ports found: %u, wanted: %u, in the %u virtio slots of a microvm machine with acpi=off",
              found, PORTS, VIRTIO_SLOTS);

    for (unsigned i = 0; i < PORTS; i++)
        port_open(&ports[i], i, slots[i]);
}

static void print_status(const struct function *function)
{
    console_print("status {\"function\":\"%s\",\"halts\":%lu,\"ports\":[", function->name, halts);
    for (unsigned i = 0; i < PORTS; i++) {
        const struct port *port = &ports[i];
        const struct counters *c = &port->counters;

        console_print("%s{\"rx\":%lu,\"tx\":%lu,\"dropped_ring_full\":%lu,\"dropped_by_function\":%lu,"
                      "\"dropped_malformed\":%lu,\"tx_pending\":%u,\"rx_buffers\":%u,\"interrupts\":%lu}",
                      i ? "," : "", c->received, c->sent, c->dropped_ring_full, c->dropped_by_function,
                      c->dropped_malformed, virtqueue_outstanding(&port->transmit),
                      virtqueue_outstanding(&port->receive), port->interrupts);
    }
    console_print("]");
    if (function->print_status)
        function->print_status();
    console_print("}\n");
}

/* Entries of the function's table, a few each time, so that frames need not wait for a slow line. */
static void print_table(const struct function *function)
{
    static unsigned index;

    for (unsigned i = 0; i < TABLE_BATCH && console_has_room(); i++)
        if (!function->print_entry || !function->print_entry(index++)) {
            console_print("end of table\n");
            console_request_answered(REQUEST_TABLE);
            index = 0;
            return;
        }
}

static bool console_has_work(void)
{
    return (console_requests(REQUEST_STATUS) || console_requests(REQUEST_TABLE)) && console_has_room();
}

static bool answer_console(const struct function *function)
{
    if (!console_has_work())
        return false;
    if (console_requests(REQUEST_STATUS)) {
        print_status(function);
        console_request_answered(REQUEST_STATUS);
    } else {
        print_table(function);
    }
    return true;
}

/*
 * Sleep until a card or the console interrupts. First ask for the interrupts,
 * then look whether the cause has come already, and only then sleep: what
 * comes before the look is seen by it, what comes after it interrupts. The
 * interrupts are off until the very moment of sleep, so none of them can be
 * taken too early and forgotten.
 */
static void sleep_if_idle(void)
{
    bool buffers_are_short = false;
    bool busy = false;

    interrupts_off();
    for (unsigned i = 0; i < PORTS; i++)
        buffers_are_short |= port_buffers_are_short(&ports[i]);
    for (unsigned i = 0; i < PORTS; i++)
        port_request_wake(&ports[i], buffers_are_short);
    full_fence();
    for (unsigned i = 0; i < PORTS; i++)
        busy |= port_has_work(&ports[i], buffers_are_short);
    busy |= console_has_work();

    if (busy) {
        interrupts_on();
        return;
    }
    halts++;
    interrupts_on_and_halt();
}

_Noreturn void kernel_main(const struct start_info *start)
{
    interrupts_init();
    console_init();
    if (start->magic != START_MAGIC)
        fatal("the loader left 0x%x where 0x%x was wanted: not started by PVH", start->magic, START_MAGIC);
    const struct function *function = options_function((const char *)start->command_line);

    open_ports();
    for (unsigned i = 0; i < PORTS; i++)
        port_publish(&ports[i]);
    interrupts_on();
    console_print("ready function=%s ports=%u\n", function->name, PORTS);

    for (;;) {
        bool worked = answer_console(function);

        for (unsigned i = 0; i < PORTS; i++)
            worked |= port_work(&ports[i], ports, function);
        for (unsigned i = 0; i < PORTS; i++)
            port_publish(&ports[i]);
        if (!worked)
            sleep_if_idle();
    }
}
