/*
 * The memory of the function that runs, and what the compiler calls by itself where a loop only fills memory. It is
 * named by the C standard, and there is no C library here to bring it.
 */
#include "function.h"

#include <stddef.h>

uint8_t function_memory[FUNCTION_MEMORY] __attribute__((section(".bss.buffers"), aligned(4096)));

void *memset(void *to, int byte, size_t count);

void *memset(void *to, int byte, size_t count)
{
    void *at = to;

    __asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(byte) : "memory");
    return to;
}
