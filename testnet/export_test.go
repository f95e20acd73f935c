package testnet

// FreePorts is freePorts for tests that start daemons by themselves.
var FreePorts = freePorts
