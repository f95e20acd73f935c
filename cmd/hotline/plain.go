package main

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"

	"example.org/hotline/hotline"
)

// plain makes of any value of the protocol what --json prints: maps, lists, numbers and texts. Ids and bytes become hexadecimal,
// codes with a name (kinds, statuses, duties …) that name; times stay Unix milliseconds. Members are named by their json tags, or
// by their own name in snake case, and left out as the tag says.
func plain(v any) any { return plainValue(reflect.ValueOf(v)) }

func plainValue(v reflect.Value) any {
	if !v.IsValid() {
		return nil
	}
	if text, ok := named(v); ok {
		return text
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return plainValue(v.Elem())
	case reflect.Struct:
		return plainStruct(v)
	case reflect.Map:
		out := map[string]any{}
		for _, k := range v.MapKeys() {
			out[fmt.Sprint(plainValue(k))] = plainValue(v.MapIndex(k))
		}
		return out
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 && v.Type().Elem().PkgPath() == "" {
			return plainBytes(v)
		}
		out := make([]any, v.Len())
		for i := range out {
			out[i] = plainValue(v.Index(i))
		}
		return out
	}
	return v.Interface()
}

// named returns the word of a coded value. Structures and ids are not codes.
func named(v reflect.Value) (string, bool) {
	switch v.Kind() {
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if s, ok := v.Interface().(fmt.Stringer); ok {
			return s.String(), true
		}
	case reflect.String:
		return v.String(), true
	}
	return "", false
}

func plainBytes(v reflect.Value) string {
	b := make([]byte, v.Len())
	reflect.Copy(reflect.ValueOf(b), v)
	return hex.EncodeToString(b)
}

func plainStruct(v reflect.Value) any {
	if c, ok := v.Interface().(hotline.CaseID); ok { // as commands take it
		return c.Key()
	}
	out := map[string]any{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || options != "" && v.Field(i).IsZero() {
			continue
		}
		if name == "" {
			name = snake(f.Name)
		}
		out[name] = plainValue(v.Field(i))
	}
	return out
}

// snake makes peer_head of PeerHead, and id of ID.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		upper := r >= 'A' && r <= 'Z'
		if upper && i > 0 && name[i-1] >= 'a' && name[i-1] <= 'z' {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(string(r)))
	}
	return b.String()
}
