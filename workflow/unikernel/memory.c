/*
 * What the compiler calls by itself where a loop only fills memory. It is
 * named by the C standard, and there is no C library here to bring it.
 */
#include <stddef.h>

void *memset(void *to, int byte, size_t count);

void *memset(void *to, int byte, size_t count)
{
    void *at = to;

    __asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(byte) : "memory");
    return to;
}
