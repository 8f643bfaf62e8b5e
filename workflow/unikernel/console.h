/*
 * The serial port: lines out, single-byte commands in.
 *
 * Both ways are driven by interrupts, and printing never waits. A host that
 * does not read its end of the line cannot stop the forwarding.
 */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdarg.h>
#include <stdbool.h>

void console_init(void);

/* Room for one line of at most CONSOLE_LINE_MAX bytes? Ask before printing, or characters are lost. */
#define CONSOLE_LINE_MAX 1024
bool console_has_room(void);
void console_print(const char *text, ...) __attribute__((format(printf, 1, 2)));

/* How many times the host has sent the byte 's', and was not yet answered. */
unsigned console_requests(void);
void console_request_answered(void);

/* For fatal(): empties what is waiting, prints, and waits until all is out. Interrupts are off for good. */
void console_last_words(const char *prefix, const char *text, va_list values);

#endif
