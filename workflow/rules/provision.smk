# Check the testbed; choose where its file says `auto`. Installs nothing.


rule provision:
    input:
        images,
        environment=present_environment,
    output:
        f"{RESULTS}/{{testbed}}/provision.json",
    log:
        f"{RESULTS}/{{testbed}}/logs/provision.log",
    priority: lambda wildcards: ORDER.provision_priority(wildcards.testbed)
    conda:
        "../../envs/environment.yaml"
    resources:
        **TESTBED_RESOURCES,
    params:
        composition=composition,
    message:
        "Checking testbed {wildcards.testbed}"
    shell:
        "middlebench provision {output:q} 2> {log:q}"
