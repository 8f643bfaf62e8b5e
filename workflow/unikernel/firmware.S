/*
 * The first instructions of the machine, in place of a BIOS.
 *
 * The CPU starts in 16-bit mode, 16 bytes below 4 GiB. QEMU shows the file
 * given as -bios there, and this is the end of that file. By then the loader
 * has put the image into memory, so what is left to do is what PVH asks for:
 * 32-bit mode, EBX = address of the start info, jump to the entry.
 */
        .set    SIZE, 256                       /* of what is made from this */
        .set    HERE, 0x100000000 - SIZE        /* where the CPU sees it */
        .set    COMMAND_LINE, 0x1000            /* goes into memory that the image does not use */

        .set    START_MAGIC, 0x336ec578
        .set    CR0_PROTECTED, 1 << 0
        .set    CODE, 0x08
        .set    DATA, 0x10

        /* QEMU tells its settings here: write a key, then read the value byte by byte. */
        .set    SETTINGS_KEY, 0x510
        .set    SETTINGS_VALUE, 0x511
        .set    KEY_ENTRY, 0x10
        .set    KEY_COMMAND_LINE_SIZE, 0x14
        .set    KEY_COMMAND_LINE, 0x15

        .macro  select key
        mov     $\key, %eax
        mov     $SETTINGS_KEY, %edx
        out     %ax, %dx
        mov     $SETTINGS_VALUE, %edx
        .endm

        /* A 32-bit setting, lowest byte first, into ECX. */
        .macro  read_number key
        select  \key
        .rept   4
        in      %dx, %al
        mov     %al, %cl
        ror     $8, %ecx
        .endr
        .endm

        .text
        .code16
begin:  lgdtl   %cs:(gdt_pointer - begin + 0x10000 - SIZE)      /* CS begins 64 kB below 4 GiB */
        mov     %cr0, %eax
        or      $CR0_PROTECTED, %al
        mov     %eax, %cr0
        ljmpl   $CODE, $(protected - begin + HERE)

        .code32
protected:
        mov     $DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        cld
        read_number KEY_COMMAND_LINE_SIZE       /* with the zero at its end */
        select  KEY_COMMAND_LINE
        mov     $COMMAND_LINE, %edi
        rep insb
        read_number KEY_ENTRY
        mov     $(start_info - begin + HERE), %ebx
        jmp     *%ecx

        .balign 8
start_info:
        .long   START_MAGIC, 1, 0, 0            /* version; flags; modules */
        .quad   0, COMMAND_LINE                 /* list of modules; command line */
        .quad   0, 0                            /* ACPI; memory map */
        .long   0, 0

        .set    gdt, . - 8                      /* entry 0 is never read */
        .quad   0x00cf9a000000ffff              /* code: all 4 GiB */
        .quad   0x00cf92000000ffff              /* data: the same */
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt - begin + HERE

        .org    SIZE - 16
        .code16
        jmp     begin
        .org    SIZE

        .section .note.GNU-stack, "", @progbits
