/*
 * Text from values, one character at a time, to wherever the caller wants it.
 */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdarg.h>

/* Understands %s, %c, %u, %x, and %lu, %lx; anything else in a format is printed as it stands. */
void format(void (*put)(char), const char *text, va_list values);

#endif
