/*
 * Interrupts: which line of which device calls which handler.
 *
 * Knows the CPU's table, the local APIC (one a CPU, takes interrupts in) and
 * the I/O APIC (one a machine, where the devices' lines end). Knows no device.
 */
#ifndef INTERRUPTS_H
#define INTERRUPTS_H

typedef void (*interrupt_handler)(void *argument);

/* Load the vector table and switch the interrupt controllers on. No line is open yet. */
void interrupts_init(void);

/* From now on line `line` of the I/O APIC calls handler(argument), interrupts off. */
void interrupts_route(unsigned line, unsigned vector, interrupt_handler handler, void *argument);

#endif
