# Look the testbed over; choose where its file says `auto`. Installs nothing.


rule provision:
    input:
        images,
        environment=present_environment,
    output:
        update(f"{RESULTS}/{{testbed}}/provision.json"),
    log:
        f"{RESULTS}/{{testbed}}/logs/provision.log",
    priority: lambda wildcards: ORDER.provision_priority(wildcards.testbed)
    conda:
        ENVIRONMENT
    resources:
        testbed=1,
    params:
        composition=composition,
    message:
        "Looking testbed {wildcards.testbed} over"
    shell:
        "middlebench provision --testbed {wildcards.testbed} --output {output:q} 2> {log:q}"
