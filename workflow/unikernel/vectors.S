/*
 * Where the CPU lands on an exception or an interrupt.
 *
 * One stub a vector, 16 bytes apart, so that the table of addresses is
 * arithmetic. A stub makes all cases look alike (the CPU pushes an error code
 * for some exceptions only), says which vector it is, and goes to the common
 * part, which saves what C may overwrite and calls interrupt_entry().
 */

#include "vectors.h"

        /* One bit an exception for which the CPU pushes an error code: 8, 10..14, 17, 21, 29, 30. */
        .set    ERROR_CODE_VECTORS, 0x60227d00

        .text
        .globl  vector_stubs
        .balign 16
vector_stubs:
        .set    vector, 0
        .rept   VECTORS
        .balign 16
        .if     ((ERROR_CODE_VECTORS >> vector) & 1) == 0
        push    $0
        .endif
        push    $vector
        jmp     common
        .set    vector, vector + 1
        .endr

common: push    %rax
        push    %rcx
        push    %rdx
        push    %rsi
        push    %rdi
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        cld
        mov     %rsp, %rdi              /* struct interrupt_frame * */
        call    interrupt_entry         /* the stack is 16-byte aligned here */
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdi
        pop     %rsi
        pop     %rdx
        pop     %rcx
        pop     %rax
        add     $16, %rsp               /* vector and error code */
        iretq

        .section .note.GNU-stack, "", @progbits
