/*
 * From the loader to C.
 *
 * The loader finds the note below, and firmware jumps to the address in it: 32-bit
 * protected mode, no paging, interrupts off, EBX = address of the start info.
 * C wants 64-bit mode, and 64-bit mode wants page tables.
 */

        .section .note.pvh, "a", @note
        .balign 4
        .long   4                       /* length of the name */
        .long   8                       /* length of the value */
        .long   18                      /* "physical 32-bit entry point" */
        .asciz  "Xen"
        .quad   boot_entry

        .set    PRESENT_WRITABLE, 0x003
        .set    UNCACHED,         0x018 /* write-through + cache-disable */
        .set    LARGE_PAGE,       0x080

        .set    CR0_PAGING,       1 << 31
        .set    CR4_PAE,          1 << 5
        .set    MSR_EFER,         0xc0000080
        .set    EFER_LONG_MODE,   1 << 8

        .text
        .code32
        .globl  boot_entry
boot_entry:
        cld
        mov     $stack_top, %esp
        mov     %ebx, %ebp              /* keep the start info's address */

        /* Level 4, entry 0 -> level 3; level 3, entries 0..3 -> four tables
           of level 2, which lie one after the other. */
        movl    $(level3 + PRESENT_WRITABLE), level4
        mov     $(level2 + PRESENT_WRITABLE), %eax
        mov     $level3, %edi
1:      mov     %eax, (%edi)
        add     $4096, %eax
        add     $8, %edi
        cmp     $(level3 + 4 * 8), %edi
        jne     1b

        /* 2048 pages of 2 MiB, each mapped onto itself. The last GiB is where
           device registers live: never cached. */
        mov     $(PRESENT_WRITABLE | LARGE_PAGE), %eax
        mov     $level2, %edi
2:      mov     %eax, (%edi)
        cmp     $0xc0000000, %eax
        jb      3f
        orl     $UNCACHED, (%edi)
3:      add     $8, %edi
        add     $0x200000, %eax
        jnc     2b                      /* carry: past 4 GiB, done */

        mov     $level4, %eax
        mov     %eax, %cr3
        mov     %cr4, %eax
        or      $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     $MSR_EFER, %ecx
        rdmsr
        or      $EFER_LONG_MODE, %eax
        wrmsr
        mov     %cr0, %eax
        or      $CR0_PAGING, %eax
        mov     %eax, %cr0

        lgdt    gdt_pointer
        ljmp    $CODE_SELECTOR, $long_mode

        .code64
long_mode:
        xor     %eax, %eax              /* 64-bit mode ignores these, but */
        mov     %eax, %ds               /* what the loader left in them   */
        mov     %eax, %es               /* points into its own table      */
        mov     %eax, %ss
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %ebp, %edi              /* first argument of C */
        xor     %ebp, %ebp
        call    kernel_main             /* does not return */
4:      cli
        hlt
        jmp     4b

        .section .rodata
        .balign 8
gdt:    .quad   0
        .set    CODE_SELECTOR, . - gdt
        .quad   0x00209a0000000000      /* 64-bit code, present, ring 0 */
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   gdt

        .bss
        .balign 4096
level4: .skip   4096
level3: .skip   4096
level2: .skip   4 * 4096
        .skip   16384                   /* the one stack */
stack_top:

        .section .note.GNU-stack, "", @progbits
