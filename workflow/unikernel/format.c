#include "format.h"

#include <stdbool.h>

static void put_string(void (*put)(char), const char *string)
{
    while (*string)
        put(*string++);
}

static void put_number(void (*put)(char), unsigned long number, unsigned base)
{
    char digits[20];
    unsigned count = 0;

    do {
        digits[count++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number);
    while (count)
        put(digits[--count]);
}

void format(void (*put)(char), const char *text, va_list values)
{
    for (; *text; text++) {
        if (*text != '%') {
            put(*text);
            continue;
        }
        bool is_long = text[1] == 'l';
        const char *kind = text + 1 + is_long;

        switch (*kind) {
        case 's':
            put_string(put, va_arg(values, const char *));
            break;
        case 'c':
            put((char)va_arg(values, int));
            break;
        case 'u':
        case 'x':
            put_number(put,
                       is_long ? va_arg(values, unsigned long) : va_arg(values, unsigned),
                       *kind == 'u' ? 10 : 16);
            break;
        default:
            put('%');
            continue;
        }
        text = kind;
    }
}
