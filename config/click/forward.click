// The paper's middlebox: a frame that arrives at one port leaves by the other, unchanged, in both directions.
// Devices are numbers: 0 faces the start of the chain, 1 its end. Sources have names, so that their counters can be
// read: Click numbers elements without one, and cosmos waits without end for an element that does not exist.
in0 :: FromDevice(0) -> ToDevice(1);
in1 :: FromDevice(1) -> ToDevice(0);
