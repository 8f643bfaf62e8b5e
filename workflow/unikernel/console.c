#include "console.h"

#include "format.h"
#include "interrupts.h"
#include "machine.h"
#include "vectors.h"

/* The first serial port of a PC, a 16550. */
#define UART            0x3f8
#define UART_LINE       4               /* its interrupt line */
#define UART_DATA       (UART + 0)      /* read: receive, write: transmit */
#define UART_ENABLE     (UART + 1)      /* which interrupts are wanted */
#define UART_CAUSE      (UART + 2)      /* read: why it interrupts */
#define UART_FIFO       (UART + 2)      /* write: set up the FIFOs */
#define UART_FORMAT     (UART + 3)
#define UART_MODEM      (UART + 4)
#define UART_STATE      (UART + 5)

#define ENABLE_RECEIVE  0x01
#define ENABLE_TRANSMIT 0x02
#define STATE_RECEIVED  0x01
#define STATE_CAN_SEND  0x20
#define FIFO_DEPTH      16

/* How often the last words look for room in a line that the host does not read: some seconds. */
#define LAST_WORDS_PATIENCE 5000000

/*
 * Characters waiting to be sent. print() moves `head`, the interrupt handler
 * moves `tail`; neither writes the other's, so no lock is needed. Both run
 * free and are cut to the ring's size when used.
 */
#define RING_SIZE 4096
static volatile char ring[RING_SIZE];
static volatile unsigned head, tail;

/* Counted up by the interrupt handler and by the main loop; each has its own. */
static const char request_byte[REQUESTS] = { [REQUEST_STATUS] = 's', [REQUEST_TABLE] = 't' };
static volatile unsigned requests_received[REQUESTS];
static unsigned requests_answered[REQUESTS];

static void put(char character)
{
    if (head - tail == RING_SIZE)
        return;
    ring[head % RING_SIZE] = character;
    head = head + 1;
}

static void on_interrupt(void *unused)
{
    (void)unused;
    port_read8(UART_CAUSE);     /* reading it is what acknowledges "can send" */

    while (port_read8(UART_STATE) & STATE_RECEIVED) {
        char byte = (char)port_read8(UART_DATA);

        for (unsigned i = 0; i < REQUESTS; i++)
            if (byte == request_byte[i])
                requests_received[i] = requests_received[i] + 1;
    }

    if (port_read8(UART_STATE) & STATE_CAN_SEND)
        for (unsigned i = 0; i < FIFO_DEPTH && tail != head; i++) {
            port_write8(UART_DATA, (uint8_t)ring[tail % RING_SIZE]);
            tail = tail + 1;
        }
    if (tail == head)
        port_write8(UART_ENABLE, ENABLE_RECEIVE);
}

void console_init(void)
{
    port_write8(UART_ENABLE, 0);
    port_write8(UART_FORMAT, 0x80);     /* the next two set the speed: 115200 */
    port_write8(UART + 0, 1);
    port_write8(UART + 1, 0);
    port_write8(UART_FORMAT, 0x03);     /* 8 bits, no parity, 1 stop bit */
    port_write8(UART_FIFO, 0x07);       /* on, emptied, interrupt at the first byte */
    port_write8(UART_MODEM, 0x0b);      /* ready, and let interrupts through */

    interrupts_route(UART_LINE, VECTOR_CONSOLE, on_interrupt, 0);
    port_write8(UART_ENABLE, ENABLE_RECEIVE);
}

bool console_has_room(void)
{
    return RING_SIZE - (head - tail) >= CONSOLE_LINE_MAX;
}

void console_print(const char *text, ...)
{
    va_list values;

    va_start(values, text);
    format(put, text, values);
    va_end(values);
    /* An idle transmitter interrupts at once, and the handler takes it from here. */
    port_write8(UART_ENABLE, ENABLE_RECEIVE | ENABLE_TRANSMIT);
}

unsigned console_requests(enum request request)
{
    return requests_received[request] - requests_answered[request];
}

void console_request_answered(enum request request)
{
    requests_answered[request]++;
}

static void send_now(char character)
{
    static unsigned looks;      /* of all calls together */

    while (!(port_read8(UART_STATE) & STATE_CAN_SEND))
        if (++looks > LAST_WORDS_PATIENCE)
            return;
    port_write8(UART_DATA, (uint8_t)character);
}

void console_last_words(const char *prefix, const char *text, va_list values)
{
    for (; tail != head; tail = tail + 1)
        send_now(ring[tail % RING_SIZE]);
    while (*prefix)
        send_now(*prefix++);
    format(send_now, text, values);
    send_now('\n');
}
