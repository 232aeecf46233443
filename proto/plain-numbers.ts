import protobuf from 'protobufjs/minimal.js';

// Imported before the generated code, for its effect. Where the package `long` is installed, protobufjs gives 64-bit
// fields as Long objects, in messages as well as for fields that are absent, although the generated types say number.
// Ours stay below 2^53 (sequences, times, digests, counters), and must be numbers to be compared and added. This is how
// protobufjs wants it to be turned off.
protobuf.util.Long = undefined as never;
protobuf.configure();
