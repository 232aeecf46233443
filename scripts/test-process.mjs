// Loaded into the process of each test file before tap. Turns off what tap does for coverage, which .taprc turns off:
// tap would search each module for a source map, record it, and load itself into each program that a test starts. That
// is a third of the CPU time that a file takes to load. If a later tap has other names for this, only the time is lost.
process.env._TAPJS_PROCESSINFO_EXCLUDE_ = '/^/';
globalThis[Symbol.for('@tapjs/processinfo.ProcessInfoNodeData')] = { files: [], sources: {} };
process.setSourceMapsEnabled = () => undefined;
// Programs that a test starts get the environment of a user.
delete process.env.NODE_OPTIONS;
