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

/* What the host may ask for, by a single byte. Other bytes are ignored. */
enum request {
    REQUEST_STATUS,         /* 's' */
    REQUEST_TABLE,          /* 't' */
    REQUESTS,
};

/* How many times the host has asked for it, and was not yet answered. */
unsigned console_requests(enum request request);
void console_request_answered(enum request request);

/* For fatal(): empties what is waiting, prints, and waits until all is out. Interrupts are off for good. */
void console_last_words(const char *prefix, const char *text, va_list values);

#endif
