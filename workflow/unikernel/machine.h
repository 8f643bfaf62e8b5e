/*
 * The few CPU instructions that C has no words for.
 *
 * Everything here is one instruction with a name; no state, no policy.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

static inline void port_write8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t port_read8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

/*
 * Device registers that appear as memory ("MMIO"). Volatile keeps every
 * access, in the order written and at the width written.
 */
static inline void mmio_write32(uintptr_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

static inline uint32_t mmio_read32(uintptr_t address)
{
    return *(volatile uint32_t *)address;
}

/*
 * x86 may let a later load overtake an earlier store. Wherever "tell the
 * other side, then look whether it told us something" must not be swapped,
 * this stands in between. All other orders the CPU keeps by itself.
 */
static inline void full_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline void interrupts_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}

/*
 * Sleep until an interrupt. "sti" takes effect only after the instruction
 * that follows it, so no interrupt can slip in between the two and be slept
 * over: whoever checks for work with interrupts off and then calls this
 * cannot miss a wake-up.
 */
static inline void interrupts_on_and_halt(void)
{
    __asm__ volatile("sti; hlt" : : : "memory");
}

_Noreturn static inline void halt_forever(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" : : : "memory");
}

static inline uint64_t read_cr2(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

#endif
