package hotline

// For the tests that hold the coded types against the general codec.

type Protected = protected

var UnmarshalAny = unmarshalAny

// MarshalAny is the general encoder.
func MarshalAny(v any) ([]byte, error) { return encoder.Marshal(v) }
