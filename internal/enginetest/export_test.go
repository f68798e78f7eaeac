package enginetest

// NeedEngines is for tests of this package that start no engine themselves.
var NeedEngines = needEngines
