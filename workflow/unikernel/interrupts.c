#include "interrupts.h"

#include "fatal.h"
#include "machine.h"
#include "vectors.h"

#define LOCAL_APIC          0xfee00000UL
#define LOCAL_APIC_EOI      0x0b0
#define LOCAL_APIC_SPURIOUS 0x0f0
#define LOCAL_APIC_ENABLE   0x100

#define IO_APIC             0xfec00000UL
#define IO_APIC_SELECT      0x00
#define IO_APIC_WINDOW      0x10
#define IO_APIC_REDIRECTION 0x10        /* two 32-bit registers a line */
#define REDIRECT_LEVEL      (1u << 15)

#define EXCEPTIONS          32

/* What vectors.S has put on the stack, lowest address first. */
struct interrupt_frame {
    uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

struct gate {
    uint16_t offset_low, selector;
    uint8_t  stack, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

extern const char vector_stubs[];
void interrupt_entry(const struct interrupt_frame *frame);

static struct gate table[VECTORS];

static struct {
    interrupt_handler handler;
    void *argument;
} routes[VECTORS];

static const char *exception_name(uint64_t vector)
{
    switch (vector) {
    case 0:  return "division error";
    case 2:  return "non-maskable interrupt";
    case 3:  return "breakpoint";
    case 6:  return "invalid instruction";
    case 8:  return "double fault";
    case 12: return "stack fault";
    case 13: return "general protection fault";
    case 14: return "page fault";
    default: return "exception";
    }
}

/* Called by vectors.S for everything. */
void interrupt_entry(const struct interrupt_frame *frame)
{
    uint64_t vector = frame->vector;

    if (vector < EXCEPTIONS)
        fatal("CPU exception %lu (%s): error code 0x%lx, instruction 0x%lx, address 0x%lx, stack 0x%lx",
              vector, exception_name(vector), frame->error_code, frame->rip, read_cr2(), frame->rsp);
    if (vector == VECTOR_SPURIOUS)
        return;         /* nothing was delivered, so nothing must be ended */
    if (!routes[vector].handler)
        fatal("interrupt on vector %lu, which no device was given", vector);

    routes[vector].handler(routes[vector].argument);
    mmio_write32(LOCAL_APIC + LOCAL_APIC_EOI, 0);
}

void interrupts_init(void)
{
    for (unsigned vector = 0; vector < VECTORS; vector++) {
        uint64_t stub = (uint64_t)vector_stubs + 16 * vector;
        table[vector] = (struct gate){
            .offset_low = (uint16_t)stub,
            .selector = 8,
            .type = 0x8e,       /* present, interrupt gate: enters with interrupts off */
            .offset_middle = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
        };
    }
    struct table_pointer pointer = { sizeof table - 1, (uint64_t)table };
    __asm__ volatile("lidt %0" : : "m"(pointer) : "memory");

    /* The old PC interrupt controllers, should the machine have them: all lines shut. */
    port_write8(0x21, 0xff);
    port_write8(0xa1, 0xff);

    mmio_write32(LOCAL_APIC + LOCAL_APIC_SPURIOUS, LOCAL_APIC_ENABLE | VECTOR_SPURIOUS);
}

static void io_apic_write(unsigned index, uint32_t value)
{
    mmio_write32(IO_APIC + IO_APIC_SELECT, index);
    mmio_write32(IO_APIC + IO_APIC_WINDOW, value);
}

void interrupts_route(unsigned line, unsigned vector, interrupt_handler handler, void *argument)
{
    routes[vector].handler = handler;
    routes[vector].argument = argument;
    /*
     * Level-triggered: as long as a device holds its line up, it interrupts
     * again after each end-of-interrupt. A cause that appears while another
     * one is being handled cannot get lost.
     */
    io_apic_write(IO_APIC_REDIRECTION + 2 * line + 1, 0);      /* to CPU 0 */
    io_apic_write(IO_APIC_REDIRECTION + 2 * line, REDIRECT_LEVEL | vector);
}
