// The first rule that matches decides; what none matches is dropped, and so is what is not IPv4.
// Devices are numbers: 0 faces the start of the chain, 1 its end.
elementclass Rules {
    input -> ip :: Classifier(12/0800, -) -> MarkIPHeader(14) -> IPFilter(
{% for rule in filter_rules(rules) %}
        {{ "allow" if rule.accepts else "drop" }} {{ rule.click() }},
{% endfor %}
        drop all) -> output;
    ip[1] -> Discard;
}
in0 :: FromDevice(0) -> Rules -> ToDevice(1);
in1 :: FromDevice(1) -> Rules -> ToDevice(0);
