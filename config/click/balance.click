// Each flow goes to one of {{ backends }} backends, by a hash of its addresses and ports; answers come from the address
// that was asked. Devices are numbers: 0 faces the start of the chain, 1 its end.
elementclass Flows {
    input -> ip :: Classifier(12/0800, -) -> MarkIPHeader(14) -> output;
    ip[1] -> Discard;
}
backend :: IPRewriter({% for index in range(backends) %}pattern - - {{ address(first_backend, index) }} - 0 1, {% endfor %}pass 1);
choice :: HashSwitch(26, 12); // addresses and ports of an Ethernet frame without options
in0 :: FromDevice(0) -> Flows -> choice;
{% for index in range(backends) %}
choice[{{ index }}] -> [{{ index }}] backend;
{% endfor %}
backend[0] -> ToDevice(1);
in1 :: FromDevice(1) -> Flows -> [{{ backends }}] backend;
backend[1] -> ToDevice(0);
