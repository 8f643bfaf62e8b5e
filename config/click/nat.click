// What leaves gets an address and port of the pool; what comes back is known by its mapping, or dropped.
// Devices are numbers: 0 faces the start of the chain, 1 its end.
elementclass Translatable {
    input -> ip :: Classifier(12/0800, -) -> MarkIPHeader(14) -> flow :: IPClassifier(ip unfrag && (tcp || udp), -) -> output;
    ip[1], flow[1] -> Discard;
}
nat :: IPRewriter(pattern {{ pool }} {{ first_port }}-{{ last_port }} - - 0 1, drop);
in0 :: FromDevice(0) -> Translatable -> [0] nat [0] -> ToDevice(1);
in1 :: FromDevice(1) -> Translatable -> [1] nat [1] -> ToDevice(0);
