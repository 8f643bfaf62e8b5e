# Our unikernel, built with the distribution's gcc; the same sources give the same bytes.


rule build_image:
    input:
        UNIKERNEL_SOURCES,
    output:
        str(UNIKERNEL),
    log:
        "build/unikernel/build.log",
    conda:
        ENVIRONMENT
    message:
        "Building the unikernel"
    shell:
        "make --directory workflow/unikernel BUILD=../../$(dirname {output}) > {log:q} 2>&1"
