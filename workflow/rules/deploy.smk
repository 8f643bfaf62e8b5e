# Build a chain from nothing and time it. The record says what it took, not what is live: measure checks that.


rule deploy:
    input:
        provision=f"{RESULTS}/{{testbed}}/provision.json",
        environment=present_environment,
    output:
        f"{RESULTS}/{{testbed}}/deployments/{{deployment}}.json",
    log:
        f"{RESULTS}/{{testbed}}/logs/deploy/{{deployment}}.log",
    priority: deployment_priority
    conda:
        "../../envs/environment.yaml"
    resources:
        **TESTBED_RESOURCES,
    params:
        composition=composition,
    message:
        "Deploying {wildcards.deployment} on {wildcards.testbed}"
    shell:
        "middlebench deploy {output:q} 2> {log:q}"
