/*
 * Vector numbers, shared by C and assembly: the CPU's own exceptions are
 * 0..31, ours follow.
 */
#ifndef VECTORS_H
#define VECTORS_H

#define VECTOR_CONSOLE  32
#define VECTOR_PORT     33      /* and the next ones, one a port */
#define VECTOR_SPURIOUS 47      /* the local APIC wants its low four bits set */
#define VECTORS         48

#endif
