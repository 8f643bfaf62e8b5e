// The paper's middlebox: whatever comes in at one port goes out at the other, unchanged, both ways.
// Devices are numbers: 0 faces the start of the chain, 1 its end.
FromDevice(0) -> ToDevice(1);
FromDevice(1) -> ToDevice(0);
