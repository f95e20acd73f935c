package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"example.org/hotline/hotline/codebook"
)

// newCodebookCmd shows the codebook itself, for those who review it.
func newCodebookCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "codebook [GROUP]",
		Short: "Show every code with its text in a language, and whether the texts are reviewed",
		Long: "Shows the texts of --lang beside the English ones, all or those of one GROUP of codes, as kind, sector or fixed; it asks no node\n" +
			"and needs no key. The last line holds the digest of the texts. A native legal reader confirms them by having that digest written\n" +
			"down as reviewed in the language's file of the program; a text that changes later ends the review.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			keys := a.book().Keys()
			if len(args) == 1 {
				keys = keysOf(keys, args[0])
			}
			if len(keys) == 0 {
				return usage(cmd, "%q is not one of %s", args[0], strings.Join(groups(a.book().Keys()), ", "))
			}
			return a.showCodebook(keys)
		},
	}
}

func keysOf(keys []codebook.Key, group string) []codebook.Key {
	var list []codebook.Key
	for _, k := range keys {
		if strings.HasPrefix(string(k), group+".") {
			list = append(list, k)
		}
	}
	return list
}

// groups lists the groups of sorted keys.
func groups(keys []codebook.Key) []string {
	var list []string
	for _, k := range keys {
		group, _, _ := strings.Cut(string(k), ".")
		if len(list) == 0 || list[len(list)-1] != group {
			list = append(list, group)
		}
	}
	return list
}

func (a *app) showCodebook(keys []codebook.Key) error {
	b, english := a.book(), codebook.Open(codebook.English)
	texts := map[codebook.Key]string{}
	for _, k := range keys {
		texts[k] = b.Text(k)
	}
	view := map[string]any{"language": b.Language(), "texts": texts, "digest": b.Digest(), "reviewed": b.Reviewed()}
	return a.show(view, func(w io.Writer) {
		p := a.sheet(w)
		for _, k := range keys {
			fmt.Fprintf(w, "%s\n  %s\n", k, p.Isolate(b.Text(k)))
			if b != english {
				fmt.Fprintf(w, "  %s\n", english.Text(k))
			}
		}
		reviewed := "not-reviewed"
		if b.Reviewed() {
			reviewed = "reviewed"
		}
		p.line(p.Say("digest", "digest", b.Digest(), "reviewed", p.Say(reviewed)))
	})
}
