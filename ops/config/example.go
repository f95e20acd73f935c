package config

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// exampleWidth is the width of the example file in columns.
const exampleWidth = 100

// Example writes the commented example file: every key with its comment and its default, commented out where there is a
// default, so that the file works as it stands once the keys without one are set.
func Example() ([]byte, error) {
	var out bytes.Buffer
	comment(&out, "Configuration of hotlined. A key that begins with # shows its default. After a change: hotlined check, then restart.")
	out.WriteString("\n")
	if err := exampleTable(&out, "", reflect.ValueOf(*Default())); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// exampleTable writes the plain keys of one struct and then its tables, as TOML demands.
func exampleTable(out *bytes.Buffer, path string, table reflect.Value) error {
	for i := range table.NumField() {
		field := table.Type().Field(i)
		if isTable(field.Type) || isList(field.Type) {
			continue
		}
		if err := exampleKey(out, field, table.Field(i)); err != nil {
			return err
		}
	}
	for i := range table.NumField() {
		field := table.Type().Field(i)
		switch {
		case field.Type == reflect.TypeFor[[]Sensor]():
			exampleSensor(out, field)
			continue
		case isList(field.Type):
			examplePages(out, field)
			continue
		}
		if !isTable(field.Type) {
			continue
		}
		name := path + field.Tag.Get("toml")
		comment(out, field.Tag.Get("doc"))
		fmt.Fprintf(out, "[%s]\n\n", name)
		if err := exampleTable(out, name+".", table.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

// exampleKey writes one key: active with its example if it has no default, commented out with its default otherwise.
func exampleKey(out *bytes.Buffer, field reflect.StructField, value reflect.Value) error {
	key, doc := field.Tag.Get("toml"), field.Tag.Get("doc")
	if example, ok := field.Tag.Lookup("example"); ok {
		comment(out, "Required. "+doc)
		fmt.Fprintf(out, "%s = %q\n\n", key, example)
		return nil
	}
	if value.Kind() == reflect.Slice && value.IsNil() {
		value = reflect.MakeSlice(value.Type(), 0, 0)
	}
	comment(out, doc)
	switch v := value.Interface().(type) {
	case string:
		fmt.Fprintf(out, "# %s = %q\n\n", key, v)
		return nil
	case Duration:
		fmt.Fprintf(out, "# %s = %q\n\n", key, v.String())
		return nil
	}
	line, err := toml.Marshal(map[string]any{key: value.Interface()})
	if err != nil {
		return fmt.Errorf("example file: key %s: %w", key, err)
	}
	fmt.Fprintf(out, "# %s\n\n", bytes.TrimSpace(line))
	return nil
}

func isTable(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[Duration]()
}

// isList reports whether a field is a list of tables, [[name]] in TOML.
func isList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// comment writes text as comment lines that break between words.
func comment(out *bytes.Buffer, text string) {
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > exampleWidth {
			out.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	out.WriteString(line + "\n")
}

// knownKeys lists every key with its table, such as "keys.dir", and every table.
func knownKeys(path string, t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		field := t.Field(i)
		name := path + field.Tag.Get("toml")
		keys = append(keys, name)
		if isTable(field.Type) {
			keys = append(keys, knownKeys(name+".", field.Type)...)
		}
		if isList(field.Type) {
			keys = append(keys, knownKeys(name+".", field.Type.Elem())...)
		}
	}
	return keys
}

// suggest says which key an unknown one was probably meant to be: the same key of another table, or one spelled much alike.
func suggest(unknown string) string {
	best, least := "", len(unknown)/3+1
	last := unknown[strings.LastIndexByte(unknown, '.')+1:]
	keys := knownKeys("", reflect.TypeFor[Config]())
	for _, key := range keys {
		if d := distance(unknown, key); d <= least && (best == "" || d < least) {
			best, least = key, d
		}
	}
	if best == "" {
		if i := slices.IndexFunc(keys, func(key string) bool { return key[strings.LastIndexByte(key, '.')+1:] == last }); i >= 0 {
			best = keys[i]
		}
	}
	if best == "" {
		return "remove it, or see the example file for the keys there are"
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// distance is the number of letters to insert, remove or replace to turn a into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}
