# Our unikernel, built with the distribution's gcc; the same sources give the same bytes.


SOURCE = place_of("workflow/unikernel")
BUILD_IMAGE = f"make --directory {shlex.quote(str(SOURCE))} BUILD="
if SOURCE.is_absolute():
    # make takes no blank in a path, and that of the working folder may have one.
    BUILD_IMAGE += f"$folder && install -D -m 644 $folder/unikernel.elf {UNIKERNEL}"
    BUILD_IMAGE = f"(folder=$(mktemp -d) && {BUILD_IMAGE} && rm -r $folder)"
else:
    BUILD_IMAGE += f"../../{UNIKERNEL.parent}"


rule build_image:
    input:
        UNIKERNEL_SOURCES,
    output:
        str(UNIKERNEL),
    log:
        "build/unikernel/build.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    params:
        build=BUILD_IMAGE,
    message:
        "Building the unikernel"
    shell:
        "{params.build} > {log:q} 2>&1"
