# Our unikernel, built with the distribution's gcc; the same sources give the same bytes.


BUILD_IMAGE = f"make --directory workflow/unikernel BUILD=../../{UNIKERNEL.parent}"


rule build_image:
    input:
        UNIKERNEL_SOURCES,
    output:
        str(UNIKERNEL),
    log:
        "build/unikernel/build.log",
    conda:
        ENVIRONMENT
    params:
        build=BUILD_IMAGE,
    message:
        "Building the unikernel"
    shell:
        "{params.build} > {log:q} 2>&1"
