# Build chain(n) from nothing and time it. The record says what it took, not what is live: measure sees to that.


rule deploy:
    input:
        provision=f"{RESULTS}/{{testbed}}/provision.json",
        environment=present_environment,
    output:
        update(f"{RESULTS}/{{testbed}}/deployments/n{{n}}.json"),
    log:
        f"{RESULTS}/{{testbed}}/logs/deploy-n{{n}}.log",
    priority: lambda wildcards: ORDER.chain_priority(wildcards.testbed, int(wildcards.n))
    conda:
        ENVIRONMENT
    resources:
        testbed=1,
    params:
        composition=composition,
    message:
        "Deploying chain({wildcards.n}) on {wildcards.testbed}"
    shell:
        "middlebench deploy --provision {input.provision:q} --environment {input.environment:q}"
        " --chain-length {wildcards.n} --output {output:q} 2> {log:q}"
